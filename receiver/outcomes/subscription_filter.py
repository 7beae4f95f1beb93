"""What a subscription wishes to be told, and what becomes of an event that it wishes for."""

from collections.abc import Mapping
from typing import Any, Literal

from receiver.domain.frozen_record import shape
from receiver.outcomes.events import Outcome

Certainty = Literal["events", "reconciled"]
Format = Literal["standard", "cloudevents", "template", "bitrix24", "amocrm", "hubspot"]

_HELD = ("task.connected", "task.finished")
"""What is not sure before the API has said so."""


@shape(frozen=True, slots=True)
class Wish:
    """No values: all of them. `certainty`: to be told as soon as something is known, or only once it is
    proven, though after `max_wait_s` seconds all the same.
    """

    accounts: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    certainty: Certainty = "events"
    max_wait_s: float = 900.0


def wants(wish: Wish, outcome: Outcome) -> bool:
    """Whether the event is for it; a result that is not sure yet is looked at later, by `accepts`."""
    return (
        _is_among(outcome.account, wish.accounts)
        and _is_among(outcome.data["queue_id"], wish.queues)
        and _is_among(outcome.type, wish.types)
        and (waits_for_proof(wish, outcome.type) or accepts(wish, outcome.type, outcome.data))
    )


def waits_for_proof(wish: Wish, event: str) -> bool:
    """Whether events of this type are held until they are proven."""
    return wish.certainty == "reconciled" and event in _HELD


def accepts(wish: Wish, event: str, data: Mapping[str, Any]) -> bool:
    """Whether the event is to be sent with this content: a connection that proved to be none is not."""
    if event == "task.connected" and data["result"] != "connected":
        return False
    return _is_among(data["result"], wish.results)


def _is_among(value: str | None, wanted: tuple[str, ...]) -> bool:
    return not wanted or value in wanted
