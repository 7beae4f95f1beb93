"""`bitrix24`: a call is registered and finished, `telephony.externalCall.register` and `.finish`.

Registering the same call again within 30 minutes gives the same CALL_ID, so two calls that look the same
would become one, and one whose CALL_ID is older than that is lost. So a call is registered right before it is
finished, with its own start, by which it differs from all others: an attempt that is repeated in time finds
its CALL_ID again.
"""

import orjson

from receiver.delivery.formats.calls import ENDS, began_at, customer_number, mapped, needed, option, seconds
from receiver.delivery.letter import Answer, FormatError, Letter, Post, Posted

_STATUS = {
    "connected": "200",
    "no_answer": "304",
    "busy": "486",
    "rejected": "603",
    "cancelled": "603-S",
    "unavailable": "480",
    "wrong_number": "404",
    "failed": "503",
    "unknown": "OTHER",
}
_OUTBOUND = 1


class Bitrix24:
    """The URL is that of an inbound webhook, `https://PORTAL/rest/USER/CODE/`. Options: `user_id` or
    `user_phone_inner` (whose call it is), `customer` (a or b), `crm_create` (make a lead for an unknown
    number), `line`, `results`.
    """

    async def send(self, letter: Letter, post: Post) -> Answer | None:
        if letter.type not in ENDS:
            return None
        registered = await post(_ask(letter, "telephony.externalCall.register", _call(letter)))
        if not 200 <= registered.status < 300:
            return registered
        call_id = _call_id(registered.text)
        if call_id is None:
            return Answer(502, registered.text)
        return await post(_ask(letter, "telephony.externalCall.finish", _end(letter, call_id)))


def _ask(letter: Letter, method: str, body: dict[str, object]) -> Posted:
    url = f"{letter.subscription.url.rstrip('/')}/{method}.json"
    return Posted(url, orjson.dumps(body), {"content-type": "application/json"})


def _whose(letter: Letter) -> dict[str, object]:
    inner = option(letter, "user_phone_inner") or letter.data.get("extension_id")
    if option(letter, "user_id") is None and inner:
        return {"USER_PHONE_INNER": inner}
    return {"USER_ID": needed(letter, "user_id")}


def _call(letter: Letter) -> dict[str, object]:
    number = customer_number(letter)
    if not number and letter.type != "receiver.test":
        raise FormatError("the task has no number of the customer: see options.customer")
    call: dict[str, object] = {
        **_whose(letter),
        "PHONE_NUMBER": number or "+70000000000",
        "TYPE": _OUTBOUND,
        "CALL_START_DATE": began_at(letter),
        "CRM_CREATE": 1 if option(letter, "crm_create", False) else 0,
        "SHOW": 0,
    }
    if line := option(letter, "line"):
        call["LINE_NUMBER"] = line
    return call


def _end(letter: Letter, call_id: str) -> dict[str, object]:
    return {
        "CALL_ID": call_id,
        **_whose(letter),
        "DURATION": seconds(letter, "talk_s"),
        "STATUS_CODE": mapped(letter, _STATUS),
        "FAILED_REASON": "" if letter.data["result"] == "connected" else letter.data.get("raw_result") or "",
        "ADD_TO_CHAT": 0,
    }


def _call_id(text: str) -> str | None:
    try:
        return str(orjson.loads(text)["result"]["CALL_ID"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
