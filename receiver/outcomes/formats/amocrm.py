"""`amocrm`: adds a call to the card with its number, `POST /api/v4/calls`."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from receiver.outcomes.formats import calls
from receiver.outcomes.formats.calls import bearer, document, mapped
from receiver.outcomes.outbound import Exchange, HttpRequest, OutboundEvent

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
_NO_CARD = "no card has the number"


def amocrm(event: OutboundEvent) -> Exchange:
    """Add the call to the card with its number. The URL is that of the account, `https://NAME.amocrm.ru`.
    Options: `token` (long-lived), `customer` (a or b), `source`, `responsible` (id of a user), `record_url`,
    `results`; `unknown_contact`: `skip` (default) or `retry` if no card has the number, since amoCRM stores
    nothing then.
    """
    if event.type not in calls.ENDS:
        return None
    root = f"{event.subscription.url.rstrip('/')}/api/v4"
    if event.type == calls.TEST:
        return (yield HttpRequest(f"{root}/account", b"", bearer(event), "GET"))
    response = yield HttpRequest(f"{root}/calls", orjson.dumps([_call(event)]), bearer(event))
    if response.status not in (200, 400):
        return response
    problem = _problem(document(response))
    if problem == _NO_CARD and event.option("unknown_contact", "skip") == "skip":
        return replace(response, is_done=True)
    return replace(response, problem=problem)


def _call(event: OutboundEvent) -> dict[str, object]:
    call: dict[str, object] = {
        "direction": "outbound",
        "uniq": event.id,
        "duration": calls.seconds(event, "talk_s"),
        "source": event.option("source", _SOURCE),
        "phone": calls.customer_number(event),
        "call_status": mapped(event, _STATUS),
        "call_result": event.data.get("raw_result") or event.data["result"],
        "created_at": _began_at(event),
    }
    if link := calls.recording_url(event):
        call["link"] = link
    if responsible := event.option("responsible"):
        call |= {"responsible_user_id": responsible, "created_by": responsible}
    return call


def _began_at(event: OutboundEvent) -> int:
    began = calls.began_at(event)
    return round(datetime.fromisoformat(began).timestamp() if began else event.at)


def _problem(answer: dict[str, Any]) -> str | None:
    """Return the problem of an answer: one that stores no call has the status 200 or 400 and lists errors."""
    errors = answer.get("errors")
    if errors == [] or (errors is None and "_embedded" in answer):
        return None
    if not isinstance(errors, list):
        return "the answer neither confirms the call nor lists errors"
    if all(isinstance(error, dict) and error.get("status") == _NO_SUCH_CONTACT for error in errors):
        return _NO_CARD
    return "amoCRM did not store the call, see `errors` of the answer"
