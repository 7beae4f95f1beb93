"""Stand-ins of the CRMs, which hold callers to what the vendors document, and keep what they were told."""

import re
from typing import Any

import orjson

from receiver.outcomes.outbound import HttpRequest, HttpResponse

_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

Call = dict[str, Any]


def refuse(problem: str, status: int = 400) -> HttpResponse:
    return HttpResponse(status, orjson.dumps({"error": problem, "error_description": problem}).decode())


def told(answer: Any, status: int = 200) -> HttpResponse:
    return HttpResponse(status, orjson.dumps(answer).decode())


class Stand:
    """A vendor at an address. `next`: path → what is answered next in the place of what would be."""

    url: str

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.next: dict[str, HttpResponse | Exception] = {}

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        assert request.url.startswith(self.url)
        path = request.url.removeprefix(self.url)
        self.asked.append(path)
        answer = self.answer(path, request)
        instead = self.next.pop(path, answer)
        if isinstance(instead, Exception):
            raise instead
        return instead

    def answer(self, path: str, request: HttpRequest) -> HttpResponse:
        raise NotImplementedError


class Bitrix24Stand(Stand):
    """Calls by their CALL_ID. `clock` may be moved: a call is registered once within 30 minutes."""

    url = "https://portal.example/rest/1/code/telephony.externalCall."
    SAME = ("PHONE_NUMBER", "TYPE", "USER_ID", "USER_PHONE_INNER", "LINE_NUMBER", "EXTERNAL_CALL_ID")

    def __init__(self) -> None:
        super().__init__()
        self.clock = 0.0
        self.registered: dict[str, tuple[float, Call]] = {}
        self.finished: dict[str, Call] = {}

    @property
    def calls(self) -> list[Call]:
        return list(self.finished.values())

    def answer(self, path: str, request: HttpRequest) -> HttpResponse:
        assert request.headers["content-type"] == "application/json"
        body = orjson.loads(request.body)
        methods = {
            "register.json": self._register,
            "finish.json": self._finish,
            "attachRecord.json": self._attach,
        }
        return methods[path](body)

    def _register(self, body: Call) -> HttpResponse:
        if not (body.get("USER_ID") or body.get("USER_PHONE_INNER")):
            return refuse("USER_ID or USER_PHONE_INNER should be set")
        if not body.get("PHONE_NUMBER") or body.get("TYPE") not in (1, 2, 3, 4, 5):
            return refuse("Unsupported phone number format, or Unknown TYPE")
        if "CALL_START_DATE" in body and not _ISO.fullmatch(body["CALL_START_DATE"]):
            return refuse("CALL_START_DATE should be in the ISO-8601 format")
        for call_id, (at, call) in self.registered.items():
            if all(call.get(name) == body.get(name) for name in self.SAME) and self.clock - at < 1800:
                return told({"result": {"CALL_ID": call_id}})
        call_id = f"externalCall.{len(self.registered) + len(self.finished) + 1}"
        self.registered[call_id] = (self.clock, body)
        return told({"result": {"CALL_ID": call_id}})

    def _finish(self, body: Call) -> HttpResponse:
        _, call = self.registered.get(body.get("CALL_ID", ""), (0.0, {}))
        if not call:
            return refuse("Call is not found (call should be registered prior to finishing)")
        if not isinstance(body.get("DURATION"), int) or not isinstance(body.get("STATUS_CODE"), str):
            return refuse("DURATION or STATUS_CODE")
        if not (body.get("USER_ID") or body.get("USER_PHONE_INNER")):
            return refuse("USER_ID or USER_PHONE_INNER should be set")
        del self.registered[body["CALL_ID"]]
        self.finished[body["CALL_ID"]] = {**call, **body}
        return told({"result": {"CALL_ID": body["CALL_ID"], "CRM_ACTIVITY_ID": 7943}})

    def _attach(self, body: Call) -> HttpResponse:
        call = self.finished.get(body["CALL_ID"])
        if call is None:
            return refuse("Call is not found in the statistic table. It looks like it is not finished yet.")
        if not body["FILENAME"].endswith((".mp3", ".wav")) or not body["RECORD_URL"].startswith("https://"):
            return refuse("Wrong file extension. Only wav and mp3 are allowed")
        call["recording"] = body["RECORD_URL"]
        return told({"result": {"FILE_ID": 9079}})


class AmoCrmStand(Stand):
    """Knows the contacts with these numbers; a `uniq` is kept once."""

    url = "https://us.amocrm.example/api/v4/"

    def __init__(self, *numbers: str) -> None:
        super().__init__()
        self.numbers = numbers
        self.kept: dict[str, Call] = {}

    @property
    def calls(self) -> list[Call]:
        return list(self.kept.values())

    def answer(self, path: str, request: HttpRequest) -> HttpResponse:
        if request.headers.get("authorization") != "Bearer a-long-lived-token":
            return refuse("Unauthorized", 401)
        if (path, request.method) == ("account", "GET"):
            return told({"id": 1})
        assert (path, request.method) == ("calls", "POST")
        (call,) = orjson.loads(request.body)
        fits = (
            call["direction"] in ("inbound", "outbound")
            and type(call["duration"]) is int
            and bool(call["source"])
            and call["call_status"] in range(1, 8)
            and type(call["created_at"]) is int
        )
        if not fits:
            return refuse("validation", 400)
        if call["phone"] not in self.numbers:
            return told({"errors": [{"status": 263, "title": "Entity not found"}], "_total_items": 0}, 400)
        self.kept.setdefault(call["uniq"], call)
        return told({"_total_items": 1, "errors": [], "_embedded": {"calls": [{"id": 1}]}})


class HubSpotStand(Stand):
    """Keeps calls with properties that HubSpot knows, and finds what has a property. `contacts`: id →
    properties.
    """

    url = "https://api.hubapi.example/crm/v3/objects/"
    KNOWN = (
        *("hs_timestamp", "hs_call_direction", "hs_call_duration", "hs_call_status", "hs_call_title"),
        *(
            "hs_call_body",
            "hs_call_to_number",
            "hs_call_from_number",
            "hs_call_disposition",
            "hubspot_owner_id",
        ),
        *("hs_call_external_id", "hs_call_recording_url"),
    )
    STATUSES = (
        *("BUSY", "CALLING_CRM_USER", "CANCELED", "COMPLETED", "CONNECTING", "FAILED", "IN_PROGRESS"),
        *("NO_ANSWER", "QUEUED", "RINGING"),
    )

    def __init__(self, contacts: dict[str, dict[str, str]] | None = None) -> None:
        super().__init__()
        self.contacts = contacts or {}
        self.calls: list[Call] = []
        self.associated: list[str] = []

    def answer(self, path: str, request: HttpRequest) -> HttpResponse:
        if request.headers.get("authorization") != "Bearer a-private-app":
            return refuse("Unauthorized", 401)
        if request.method == "GET":
            return told({"results": []})
        body = orjson.loads(request.body)
        if path == "calls":
            return self._create(body)
        kept: dict[Any, Any] = dict(enumerate(self.calls)) if path == "calls/search" else self.contacts
        filters = [one["filters"] for one in body["filterGroups"]]
        assert 1 <= len(filters) <= 5
        assert all(one["operator"] == "EQ" for some in filters for one in some)
        found = [
            {"id": str(name)}
            for name, has in kept.items()
            if any(all(has.get(one["propertyName"]) == one["value"] for one in some) for some in filters)
        ]
        return told({"total": len(found), "results": found[: body["limit"]]})

    def _create(self, body: dict[str, Any]) -> HttpResponse:
        properties = body["properties"]
        fits = (
            set(properties) <= set(self.KNOWN)
            and _ISO.fullmatch(properties["hs_timestamp"])
            and properties["hs_call_direction"] in ("INBOUND", "OUTBOUND")
            and properties["hs_call_status"] in self.STATUSES
            and properties["hs_call_duration"].isdecimal()
            and re.fullmatch(r"[0-9a-f-]{36}", properties.get("hs_call_disposition", "0" * 36))
            and properties.get("hs_call_recording_url", "https://").startswith("https://")
        )
        if not fits:
            return refuse("VALIDATION_ERROR", 400)
        for each in body["associations"]:
            assert each["types"] == [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 194}]
            self.associated.append(each["to"]["id"])
        self.calls.append(properties)
        return told({"id": "512"}, 201)
