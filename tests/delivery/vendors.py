"""Stand-ins of the CRMs, which hold callers to what the vendors document, and keep what they were told."""

import re
from typing import Any

import orjson

from receiver.delivery.letter import Answer, Posted

_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def refuse(problem: str, status: int = 400) -> Answer:
    return Answer(status, orjson.dumps({"error": problem}).decode())


class Bitrix24Stand:
    """Calls by their CALL_ID. `clock` may be moved: a CALL_ID holds for 30 minutes."""

    def __init__(self) -> None:
        self.clock = 0.0
        self.open: dict[str, tuple[float, str]] = {}
        self.calls: list[dict[str, Any]] = []
        self.fail_next_finish = False

    async def __call__(self, posted: Posted) -> Answer:
        assert posted.headers["content-type"] == "application/json"
        body = orjson.loads(posted.body)
        if posted.url == "https://portal.example/rest/1/code/telephony.externalCall.register.json":
            return self._register(body)
        if posted.url == "https://portal.example/rest/1/code/telephony.externalCall.finish.json":
            return self._finish(body)
        return refuse("ERROR_METHOD_NOT_FOUND", 404)

    def _register(self, body: dict[str, Any]) -> Answer:
        if not (body.get("USER_ID") or body.get("USER_PHONE_INNER")):
            return refuse("USER_ID or USER_PHONE_INNER should be set")
        if not body.get("PHONE_NUMBER") or body.get("TYPE") not in (1, 2, 3, 4):
            return refuse("ERROR_PHONE_NUMBER or ERROR_TYPE")
        if "CALL_START_DATE" in body and not _ISO.fullmatch(body["CALL_START_DATE"]):
            return refuse("CALL_START_DATE")
        same = orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode()
        for call_id, (at, parameters) in self.open.items():
            if parameters == same and self.clock - at < 1800:
                return self._told(call_id)
        call_id = f"externalCall.{len(self.open) + len(self.calls) + 1}"
        self.open[call_id] = (self.clock, same)
        return self._told(call_id)

    def _finish(self, body: dict[str, Any]) -> Answer:
        if self.fail_next_finish:
            self.fail_next_finish = False
            return Answer(500, "oops")
        at, parameters = self.open.get(body.get("CALL_ID", ""), (0.0, ""))
        if not parameters or self.clock - at > 1800:
            return refuse("ERROR_NOT_FOUND")
        if not isinstance(body.get("DURATION"), int) or not isinstance(body.get("STATUS_CODE"), str):
            return refuse("DURATION or STATUS_CODE")
        if not (body.get("USER_ID") or body.get("USER_PHONE_INNER")):
            return refuse("USER_ID or USER_PHONE_INNER should be set")
        del self.open[body["CALL_ID"]]
        self.calls.append({**orjson.loads(parameters), **body})
        return Answer(200, '{"result":{}}')

    def _told(self, call_id: str) -> Answer:
        return Answer(200, orjson.dumps({"result": {"CALL_ID": call_id}}).decode())


class AmoCrmStand:
    """Knows the contacts with these numbers; a `uniq` is kept once."""

    def __init__(self, *numbers: str) -> None:
        self.numbers = numbers
        self.calls: dict[str, dict[str, Any]] = {}

    async def __call__(self, posted: Posted) -> Answer:
        if posted.url != "https://us.amocrm.example/api/v4/calls" or posted.method != "POST":
            return refuse("Not found", 404)
        if posted.headers.get("authorization") != "Bearer a-long-lived-token":
            return refuse("Unauthorized", 401)
        (call,) = orjson.loads(posted.body)
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
            told = {"errors": [{"status": 263, "title": "Entity not found"}], "_total_items": 0}
            return Answer(400, orjson.dumps(told).decode())
        self.calls.setdefault(call["uniq"], call)
        return Answer(200, '{"_total_items":1,"errors":[]}')


class HubSpotStand:
    """Keeps calls with properties that HubSpot knows."""

    KNOWN = (
        *("hs_timestamp", "hs_call_direction", "hs_call_duration", "hs_call_status", "hs_call_title"),
        *(
            "hs_call_body",
            "hs_call_to_number",
            "hs_call_from_number",
            "hs_call_disposition",
            "hubspot_owner_id",
        ),
    )
    STATUSES = (
        *("BUSY", "CALLING_CRM_USER", "CANCELED", "COMPLETED", "CONNECTING", "FAILED", "IN_PROGRESS"),
        *("NO_ANSWER", "QUEUED", "RINGING"),
    )

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    async def __call__(self, posted: Posted) -> Answer:
        if posted.url != "https://api.hubapi.example/crm/v3/objects/calls" or posted.method != "POST":
            return refuse("Not found", 404)
        if posted.headers.get("authorization") != "Bearer a-private-app":
            return refuse("Unauthorized", 401)
        properties = orjson.loads(posted.body)["properties"]
        fits = (
            set(properties) <= set(self.KNOWN)
            and _ISO.fullmatch(properties["hs_timestamp"])
            and properties["hs_call_direction"] in ("INBOUND", "OUTBOUND")
            and properties["hs_call_status"] in self.STATUSES
            and properties["hs_call_duration"].isdecimal()
            and re.fullmatch(r"[0-9a-f-]{36}", properties.get("hs_call_disposition", "0" * 36))
        )
        if not fits:
            return refuse("VALIDATION_ERROR", 400)
        self.calls.append(properties)
        return Answer(201, '{"id":"512"}')
