"""Hooks as they are read, for tests of what senders of webhooks are known to do."""

from receiver.domain.facts import HookEvent
from receiver.domain.fields import FieldReader
from receiver.inbox.reading import read_hook
from receiver.ledger.append import Arrival
from tests.inbox.inbox_env import raw_hook

READER = FieldReader()
MEANT = ("77", "failed", None)


def arrive(
    body: bytes = b"",
    query: bytes = b"",
    headers: dict[bytes, bytes] | None = None,
    ref: str | None = None,
    event: str = "after",
) -> Arrival:
    """A hook as it is read; by default at the fixed URL, where only its payload names the task."""
    given = {"query": query, "headers": tuple((headers or {}).items()), "event": event}
    return read_hook(raw_hook(1, ref, body=body, **given), READER)


def said(arrival: Arrival) -> HookEvent:
    assert arrival.fact is not None, arrival.delivery.problem
    assert isinstance(arrival.fact.payload, HookEvent)
    return arrival.fact.payload


def meaning(arrival: Arrival) -> tuple[str | None, str | None, str | None]:
    """(task id, result, problem)"""
    fact = said(arrival)
    return fact.task_id, fact.result, arrival.delivery.problem
