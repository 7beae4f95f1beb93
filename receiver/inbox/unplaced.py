"""Deliveries without a known task: missing hooks may be among them."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, exists, func, or_, select

from receiver.domain.facts import EVENTS
from receiver.inbox.tables import SET_ASIDE
from receiver.ledger.tables import DELIVERY, FACT

NAMES_NO_TASK = "names no task"
"""Problem of a readable delivery that names no task."""

_ID = DELIVERY.c.account + "/hook/" + DELIVERY.c.id

FIRST_FACT_IDS = (_ID, _ID + ".r1")
"""Ids of which a delivery with facts has one: of its first reading, or of its first rereading."""

_NEVER = float("-inf")


def is_of_no_task() -> ColumnElement[bool]:
    """Return the condition that a delivery names no task by its last reading."""
    return or_(DELIVERY.c.problem == NAMES_NO_TASK, ~exists().where(FACT.c.id.in_(FIRST_FACT_IDS)))


class Unplaced(NamedTuple):
    """Event → arrival of its latest delivery that names no task (`deliveries`) or is set aside (`set_aside`),
    in epoch seconds.
    """

    deliveries: Mapping[str, float] = {}
    set_aside: Mapping[str, float] = {}

    def events(self, ref: str | None, begin: float) -> tuple[str, ...]:
        """Return the events of which hooks may be among them, of a task that began at `begin`. Hooks of a
        task with a `ref` name it in their URLs.
        """
        latest = [self.set_aside] if ref else [self.set_aside, self.deliveries]
        return tuple(event for event in EVENTS if any(times.get(event, _NEVER) >= begin for times in latest))

    def lacks(self, other: "Unplaced") -> bool:
        """Return whether a delivery of `other` was placed, read or deleted since."""
        return self.latest(other) != self

    def latest(self, other: "Unplaced") -> "Unplaced":
        """Return the later time of each event."""
        return Unplaced(_latest(self.deliveries, other.deliveries), _latest(self.set_aside, other.set_aside))


def _latest(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {
        event: max(one.get(event, _NEVER), other.get(event, _NEVER)) for event in one.keys() | other.keys()
    }


def unplaced(connection: Connection, account: str) -> Unplaced:
    """Return the unplaced deliveries of the account."""
    came = DELIVERY.c.received_at
    # As the index: a delivery with a ref in its URL, or without a problem, is of a task.
    may_be = DELIVERY.c.account == account, DELIVERY.c.problem.isnot(None), DELIVERY.c.ref.is_(None)
    query = select(came).where(*may_be, is_of_no_task()).order_by(came.desc()).limit(1)
    found = {event: connection.scalar(query.where(DELIVERY.c.event == event)) for event in EVENTS}
    deliveries: dict[str, float] = {event: at for event, at in found.items() if at is not None}
    return Unplaced(deliveries, _set_aside(connection, account))


def _set_aside(connection: Connection, account: str) -> dict[str, float]:
    """A batch that cannot be decoded may contain any event of any account."""
    is_possible = or_(SET_ASIDE.c.account == account, SET_ASIDE.c.account.is_(None))
    query = (
        select(SET_ASIDE.c.event, func.max(SET_ASIDE.c["at"])).where(is_possible).group_by(SET_ASIDE.c.event)
    )
    latest: dict[str, float] = {}
    for event, at in connection.execute(query):
        latest = _latest(latest, dict.fromkeys([event] if event else EVENTS, at))
    return latest
