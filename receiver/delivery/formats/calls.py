"""What the CRM connectors have in common: one call, told once it has ended."""

from collections.abc import Mapping
from typing import Any

from receiver.delivery.letter import FormatError, Letter

ENDS = ("task.finished", "receiver.test")
"""A call is told at its end: what is told of it later cannot be taken back from these CRMs. A subscription
that wants to be sure has the certainty `reconciled`.
"""


def customer_number(letter: Letter) -> str:
    """The number of the customer, which the option `customer` says is A's or B's. Raises FormatError."""
    side = option(letter, "customer", "b")
    if side not in ("a", "b"):
        raise FormatError("options.customer: a or b, whoever is the customer")
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
    """When the call began, as far as is known; ISO 8601."""
    data = letter.data
    return str(data.get("connected_at") or data.get("finished_at") or data.get("first_at") or "")
