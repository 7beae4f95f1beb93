"""`amocrm`: a call is added to the card that has its number, `POST /api/v4/calls`."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from receiver.outcomes.formats import calls
from receiver.outcomes.formats.calls import bearer, document, mapped, option
from receiver.outcomes.outbound import Answer, Letter, Post, Posted

_STATUS = {
    "connected": 4,
    "no_answer": 6,
    "busy": 7,
    "rejected": 6,
    "cancelled": 6,
    "unavailable": 3,
    "wrong_number": 5,
    "failed": 6,
    "unknown": 6,
}
_SOURCE = "receiver"
_NO_SUCH_CONTACT = 263


class AmoCrm:
    """The URL is the account's, `https://NAME.amocrm.ru`. Options: `token` (long-lived), `customer` (a or b),
    `source`, `responsible` (a user's id), `record_url`, `results`; `unknown_contact`: `skip` (the default) or
    `retry` where no card has the number, since amoCRM then keeps nothing.
    """

    async def send(self, letter: Letter, post: Post) -> Answer | None:
        if letter.type not in calls.ENDS:
            return None
        root = f"{letter.subscription.url.rstrip('/')}/api/v4"
        if letter.type == calls.TEST:
            return await post(Posted(f"{root}/account", b"", bearer(letter), "GET"))
        answer = await post(Posted(f"{root}/calls", orjson.dumps([_call(letter)]), bearer(letter)))
        if answer.status not in (200, 400):
            return answer
        problem = _problem(document(answer))
        if problem == _NO_CARD and option(letter, "unknown_contact", "skip") == "skip":
            return replace(answer, is_done=True)
        return replace(answer, problem=problem)


def _call(letter: Letter) -> dict[str, object]:
    call: dict[str, object] = {
        "direction": "outbound",
        "uniq": letter.id,
        "duration": calls.seconds(letter, "talk_s"),
        "source": option(letter, "source", _SOURCE),
        "phone": calls.customer_number(letter),
        "call_status": mapped(letter, _STATUS),
        "call_result": letter.data.get("raw_result") or letter.data["result"],
        "created_at": _began_at(letter),
    }
    if link := calls.recording_url(letter):
        call["link"] = link
    if responsible := option(letter, "responsible"):
        call |= {"responsible_user_id": responsible, "created_by": responsible}
    return call


def _began_at(letter: Letter) -> int:
    began = calls.began_at(letter)
    return round(datetime.fromisoformat(began).timestamp() if began else letter.at)


_NO_CARD = "no card has the number"


def _problem(told: dict[str, Any]) -> str | None:
    """amoCRM answers 200 or 400 with a list of errors where it keeps no call."""
    errors = told.get("errors")
    if errors == [] or (errors is None and "_embedded" in told):
        return None
    if not isinstance(errors, list):
        return "says neither that the call is kept nor why not"
    if all(isinstance(each, dict) and each.get("status") == _NO_SUCH_CONTACT for each in errors):
        return _NO_CARD
    return "the call is not kept, see `errors` of the answer"
