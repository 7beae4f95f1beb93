"""Helpers that the CRM connectors share. Each sends a call once, after its end."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson

from receiver.errors import ErrorKind
from receiver.outcomes.outbound import FormatError, HttpResponse, OutboundEvent, UnsendableError

TEST = "receiver.test"
"""Type of the test event. A connector answers it with a request that changes nothing in the CRM."""

ENDS = ("task.finished", TEST)
"""Types of events that are sent. These CRMs cannot correct a call; use the certainty `reconciled` to send
confirmed ones only.
"""


def customer_number(event: OutboundEvent) -> str:
    """Return the customer's number: that of side A or B, by the option `customer`. Raises FormatError."""
    number = _number(event, _side(event))
    if not number:
        raise UnsendableError("the task has no number of the customer: check options.customer")
    return number


def own_number(event: OutboundEvent) -> str:
    """Return the number of the other side, "" if there is none. Raises FormatError."""
    return _number(event, "a" if _side(event) == "b" else "b")


def _side(event: OutboundEvent) -> str:
    side = event.option("customer", "b")
    if side not in ("a", "b"):
        raise FormatError("options.customer: a or b, the side of the customer")
    return str(side)


def _number(event: OutboundEvent, side: str) -> str:
    number = event.data.get(f"{side}_number")
    return (number["e164"] or number["raw"]) if number else ""


def needed(event: OutboundEvent, name: str) -> Any:
    """Return a required option. Raises FormatError if it is missing."""
    value = event.option(name)
    if value in (None, ""):
        raise FormatError(f"options.{name}: required", ErrorKind("required"))
    return value


def bearer(event: OutboundEvent) -> dict[str, str]:
    """Return headers with the option `token`. Raises FormatError."""
    return {"content-type": "application/json", "authorization": f"Bearer {needed(event, 'token')}"}


def mapped(event: OutboundEvent, defaults: Mapping[str, Any]) -> Any:
    """Return the vendor's word for the result; the option `results` replaces some. Raises FormatError."""
    own = event.option("results", {})
    if not isinstance(own, dict):
        raise FormatError("options.results: an object of our results and the vendor's words for them")
    result = event.data["result"]
    return own.get(result, defaults[result])


def seconds(event: OutboundEvent, name: str) -> int:
    """Return a duration in whole seconds; 0 if it is unknown."""
    return round(event.data.get(name) or 0)


def began_at(event: OutboundEvent) -> str:
    """Return the start of the last attempt, else the next known time of the call. ISO 8601."""
    data = event.data
    known = ("attempt_started_at", "connected_at", "finished_at", "first_at")
    return next((str(data[name]) for name in known if data.get(name)), "")


def recording_url(event: OutboundEvent) -> str | None:
    """Return the option `record_url` with the recording's uuid in place of `{record}`; None without a
    recording or without the option. Raises FormatError.
    """
    pattern, record = event.option("record_url"), event.data.get("record")
    if not pattern or not record:
        return None
    if "{record}" not in str(pattern):
        raise FormatError(
            "options.record_url: a URL with {record} in place of the recording's uuid",
            ErrorKind("record_url"),
        )
    return str(pattern).replace("{record}", quote(str(record), safe=""))


def document(response: HttpResponse) -> dict[str, Any]:
    """Return the JSON object of a response; empty if it is none."""
    try:
        found = orjson.loads(response.text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
