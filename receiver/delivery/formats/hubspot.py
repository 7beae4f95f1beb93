"""`hubspot`: a call is logged, `POST /crm/v3/objects/calls`."""

import orjson

from receiver.delivery.formats.calls import ENDS, began_at, customer_number, mapped, needed, option, seconds
from receiver.delivery.letter import Answer, Letter, Post, Posted

_CONNECTED = "f240bbac-87c9-4f6e-bf70-924b57d47db7"
_NO_ANSWER = "73a0d17f-1163-4015-bdd5-ec830791da20"
_BUSY = "9d9162e7-6cf3-4944-bf63-4dff82258764"
_WRONG_NUMBER = "17b47fee-58de-441e-a44c-c6300d46f273"

_DISPOSITION: dict[str, str | None] = {
    "connected": _CONNECTED,
    "no_answer": _NO_ANSWER,
    "busy": _BUSY,
    "rejected": _NO_ANSWER,
    "cancelled": None,
    "unavailable": _NO_ANSWER,
    "wrong_number": _WRONG_NUMBER,
    "failed": None,
    "unknown": None,
}
_STATUS = {
    "connected": "COMPLETED",
    "no_answer": "NO_ANSWER",
    "busy": "BUSY",
    "rejected": "NO_ANSWER",
    "cancelled": "CANCELED",
    "unavailable": "FAILED",
    "wrong_number": "FAILED",
    "failed": "FAILED",
    "unknown": "FAILED",
}


class HubSpot:
    """The URL is `https://api.hubapi.com`. Options: `token` (of a private app), `customer` (a or b), `owner`
    (an id), `results` (our result → a disposition's GUID).
    """

    async def send(self, letter: Letter, post: Post) -> Answer | None:
        if letter.type not in ENDS:
            return None
        return await post(
            Posted(
                f"{letter.subscription.url.rstrip('/')}/crm/v3/objects/calls",
                orjson.dumps({"properties": _properties(letter)}),
                {"content-type": "application/json", "authorization": f"Bearer {needed(letter, 'token')}"},
            )
        )


def _properties(letter: Letter) -> dict[str, object]:
    data = letter.data
    number = customer_number(letter)
    from_number = data.get("a_number" if option(letter, "customer", "b") == "b" else "b_number")
    properties: dict[str, object] = {
        "hs_timestamp": began_at(letter),
        "hs_call_direction": "OUTBOUND",
        "hs_call_duration": str(1000 * seconds(letter, "talk_s")),  # milliseconds
        "hs_call_status": _STATUS[data["result"]],
        "hs_call_title": data.get("name") or "Callback",
        "hs_call_body": data.get("raw_result") or data["result"],
        "hs_call_to_number": number,
        "hs_call_from_number": (from_number["e164"] or from_number["raw"]) if from_number else "",
    }
    if disposition := mapped(letter, _DISPOSITION):
        properties["hs_call_disposition"] = disposition
    if owner := option(letter, "owner"):
        properties["hubspot_owner_id"] = str(owner)
    return properties
