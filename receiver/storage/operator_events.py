"""Events for the operator, such as a disabled subscription, and the conditions that they follow from.

Any room adds an event in the transaction that finds its cause. The room `outcomes` sends it to subscriptions.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Column, Connection, Text, select
from sqlmodel import Field, SQLModel

from receiver.storage.bulk import write
from receiver.storage.tables import NEVER_TWICE, SEQ, partial_index, table

QUIET_S = 900.0
"""Seconds after the end of a condition before its return is an event: a condition that comes and goes must
not fill a chat.
"""


class OperatorEventRow(SQLModel, table=True):
    """An event. `subject`: id or name of the subscription, task or other thing that it is about. `detail`:
    text for people. `data`: JSON, the fields of its kind; null in events of earlier versions. `told_at`: when
    it was put into the outbox of subscriptions; null until then.
    """

    __tablename__ = "operator_event"
    seq: int | None = Field(default=None, sa_column=Column(SEQ, primary_key=True))
    kind: str
    subject: str
    detail: str
    at: float = Field(index=True)
    data: str | None = Field(default=None, sa_column=Column(Text))
    told_at: float | None = None

    __table_args__ = (
        partial_index("operator_event_untold", "seq", where=Column("told_at").is_(None)),
        NEVER_TWICE,
    )


class OperatorConditionRow(SQLModel, table=True):
    """A lasting condition, such as a failing subscription. `level`: 0 when all is well. `since`: time of the
    last change. It is stored, so that a restart does not repeat events.
    """

    __tablename__ = "operator_condition"
    kind: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    level: int
    since: float


OPERATOR_EVENT, OPERATOR_CONDITION = table(OperatorEventRow), table(OperatorConditionRow)


class OperatorNotice(NamedTuple):
    """An event to be stored. The fields are as in `OperatorEventRow`."""

    kind: str
    subject: str
    detail: str
    at: float
    data: Mapping[str, Any] = {}


def add_operator_event(connection: Connection, notice: OperatorNotice) -> None:
    """Store an event."""
    event = {**notice._asdict(), "data": orjson.dumps(dict(notice.data)).decode()}
    write(connection, OPERATOR_EVENT, "add", [event])


class ConditionName(NamedTuple):
    """The name of a condition: its kind, and the subscription, account or other thing that it is about."""

    kind: str
    subject: str


class ConditionLevel(NamedTuple):
    """The level of a condition, and the time of its last change, if it has ever changed."""

    level: int = 0
    since: float | None = None

    def changes_to(self, level: int, at: float) -> bool:
        """Return whether another level is a change now. The return of a condition within `QUIET_S` is a
        change later.
        """
        is_quiet = self.level == 0 and self.since is not None and 0 <= at - self.since < QUIET_S
        return level != self.level and not is_quiet


def levels(connection: Connection) -> dict[ConditionName, ConditionLevel]:
    """Return the stored levels of all conditions."""
    rows = connection.execute(select(OPERATOR_CONDITION))
    return {ConditionName(row.kind, row.subject): ConditionLevel(row.level, row.since) for row in rows}


def set_level(
    connection: Connection, condition: ConditionName, level: int, at: float
) -> ConditionLevel | None:
    """Store the level of a condition. Return the level before, or None if there is no change."""
    was = levels(connection).get(condition, ConditionLevel())
    if not was.changes_to(level, at):
        return None
    write(connection, OPERATOR_CONDITION, "put", [{**condition._asdict(), "level": level, "since": at}])
    return was


def returns(connection: Connection, condition: ConditionName, at: float) -> bool:
    """Return whether a thing that may happen again and again is an event now: the first time, and later if it
    has not happened within `QUIET_S`.
    """
    is_event = levels(connection).get(condition, ConditionLevel()).changes_to(1, at)
    if is_event:
        write(connection, OPERATOR_CONDITION, "put", [{**condition._asdict(), "level": 0, "since": at}])
    return is_event
