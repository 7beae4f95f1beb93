"""What the CRM connectors have in common: one call, told once it has ended."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson

from receiver.outcomes.outbound import Answer, FormatError, Letter, UnsendableError

TEST = "receiver.test"
"""An event about no task: the connectors ask something harmless instead of writing a call into the CRM."""

ENDS = ("task.finished", TEST)
"""A call is told at its end: what is told of it later cannot be taken back from these CRMs. A subscription
that wants to be sure has the certainty `reconciled`.
"""


def customer_number(letter: Letter) -> str:
    """The number of the customer, which the option `customer` says is A's or B's. Raises FormatError."""
    number = _number(letter, _side(letter))
    if not number:
        raise UnsendableError("the task has no number of the customer: see options.customer")
    return number


def own_number(letter: Letter) -> str:
    """The number of the other side, "" if there is none. Raises FormatError."""
    return _number(letter, "a" if _side(letter) == "b" else "b")


def _side(letter: Letter) -> str:
    side = option(letter, "customer", "b")
    if side not in ("a", "b"):
        raise FormatError("options.customer: a or b, whoever is the customer")
    return str(side)


def _number(letter: Letter, side: str) -> str:
    number = letter.data.get(f"{side}_number")
    return (number["e164"] or number["raw"]) if number else ""


def option(letter: Letter, name: str, default: Any = None) -> Any:
    return letter.subscription.options.get(name, default)


def needed(letter: Letter, name: str) -> Any:
    """Raises FormatError where the option is not there."""
    value = option(letter, name)
    if value in (None, ""):
        raise FormatError(f"options.{name}: needed, and not set")
    return value


def bearer(letter: Letter) -> dict[str, str]:
    """Headers of a request with the option `token`. Raises FormatError."""
    return {"content-type": "application/json", "authorization": f"Bearer {needed(letter, 'token')}"}


def mapped(letter: Letter, defaults: Mapping[str, Any]) -> Any:
    """The vendor's word for the result; the option `results` may name others. Raises FormatError."""
    own = option(letter, "results", {})
    if not isinstance(own, dict):
        raise FormatError("options.results: an object, from our results to the vendor's")
    result = letter.data["result"]
    return own.get(result, defaults[result])


def seconds(letter: Letter, name: str) -> int:
    """A duration in whole seconds; 0 where it is not known."""
    return round(letter.data.get(name) or 0)


def began_at(letter: Letter) -> str:
    """When the last attempt began; where nobody has told, the earliest that is known of it. ISO 8601."""
    data = letter.data
    known = ("attempt_started_at", "connected_at", "finished_at", "first_at")
    return next((str(data[name]) for name in known if data.get(name)), "")


def recording_url(letter: Letter) -> str | None:
    """Where the recording is: the option `record_url` with the recording's uuid in the place of `{record}`;
    None where there is no recording, or nobody says where they are. Raises FormatError.
    """
    pattern, record = option(letter, "record_url"), letter.data.get("record")
    if not pattern or not record:
        return None
    if "{record}" not in str(pattern):
        raise FormatError("options.record_url: a URL that has {record} in the place of the recording's uuid")
    return str(pattern).replace("{record}", quote(str(record), safe=""))


def document(answer: Answer) -> dict[str, Any]:
    """The object that an answer is; empty where it is none."""
    try:
        found = orjson.loads(answer.text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
