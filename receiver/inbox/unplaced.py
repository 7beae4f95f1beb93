"""Deliveries that are of no task as far as is known: a hook that is missing may be among them."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, exists, func, or_, select

from receiver.domain.facts import EVENTS
from receiver.inbox.tables import SET_ASIDE
from receiver.ledger.tables import DELIVERY, FACT

NAMES_NO_TASK = "names no task"
"""Problem of a delivery that is of no task and otherwise readable."""

_ID = DELIVERY.c.account + "/hook/" + DELIVERY.c.id

FIRST_FACT_IDS = (_ID, _ID + ".r1")
"""Ids of which a delivery that has facts has one: of the reading when it came, or of the first rereading."""

_NEVER = float("-inf")


def is_of_no_task() -> ColumnElement[bool]:
    """Whether a delivery is of no task by its last reading."""
    return or_(DELIVERY.c.problem == NAMES_NO_TASK, ~exists().where(FACT.c.id.in_(FIRST_FACT_IDS)))


class Unplaced(NamedTuple):
    """Event → when the latest delivery of it came that is of no task (`deliveries`), or could not be read
    because of a fault of ours (`set_aside`); epoch seconds.
    """

    deliveries: Mapping[str, float] = {}
    set_aside: Mapping[str, float] = {}

    def events(self, ref: str | None, begin: float) -> tuple[str, ...]:
        """Events whose hooks of a task that began at `begin` may be among them. A task with a `ref` has URLs
        that name it, so what names no task is not its.
        """
        latest = [self.set_aside] if ref else [self.set_aside, self.deliveries]
        return tuple(event for event in EVENTS if any(each.get(event, _NEVER) >= begin for each in latest))

    def lacks(self, other: "Unplaced") -> bool:
        """Whether something of `other` has been placed, read or deleted."""
        return self.latest(other) != self

    def latest(self, other: "Unplaced") -> "Unplaced":
        """Of each event the later moment."""
        return Unplaced(_latest(self.deliveries, other.deliveries), _latest(self.set_aside, other.set_aside))


def _latest(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {
        event: max(one.get(event, _NEVER), other.get(event, _NEVER)) for event in one.keys() | other.keys()
    }


def unplaced(connection: Connection, account: str) -> Unplaced:
    """What of the account is of no task now."""
    came = DELIVERY.c.received_at
    # As the index has them: what has a ref in its URL, or no problem, is of a task.
    may_be = DELIVERY.c.account == account, DELIVERY.c.problem.isnot(None), DELIVERY.c.ref.is_(None)
    query = select(came).where(*may_be, is_of_no_task()).order_by(came.desc()).limit(1)
    found = {event: connection.scalar(query.where(DELIVERY.c.event == event)) for event in EVENTS}
    deliveries: dict[str, float] = {event: at for event, at in found.items() if at is not None}
    return Unplaced(deliveries, _set_aside(connection, account))


def _set_aside(connection: Connection, account: str) -> dict[str, float]:
    """Of a batch that cannot be told apart it may be any event of any account."""
    mine = or_(SET_ASIDE.c.account == account, SET_ASIDE.c.account.is_(None))
    query = select(SET_ASIDE.c.event, func.max(SET_ASIDE.c["at"])).where(mine).group_by(SET_ASIDE.c.event)
    latest: dict[str, float] = {}
    for event, at in connection.execute(query):
        latest = _latest(latest, dict.fromkeys([event] if event else EVENTS, at))
    return latest
