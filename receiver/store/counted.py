"""The tables for analysts: attempts one by one, and sums that are kept.

All are derived from the ledger. `attempt`, `rollup`, `rollup_day` and `task_count` are written with the tasks
that they follow from, in one transaction. Times: epoch seconds, UTC.
"""

from sqlalchemy import BigInteger, Column
from sqlmodel import Field, SQLModel

from receiver.domain.rollup import COUNTS
from receiver.store.tables import table


class AttemptRow(SQLModel, table=True):
    """One attempt of a task: see `receiver.domain.attempt.Attempt`."""

    __tablename__ = "attempt"
    account: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    started_at: float | None = None
    call: str | None = None
    connected: bool | None = None
    bridged: bool | None = None
    a_answered: bool | None = None
    b_answered: bool | None = None
    reason: str | None = None
    raw_reason: str | None = None
    failed_leg: str | None = None
    gap_s: float | None = None
    talk_s: float | None = None
    total_s: float | None = None


class CalendarRow(SQLModel, table=True):
    """The zone in which `rollup_day` counts days. `phase`: seconds after UTC's hours at which those of
    `rollup` begin; `complete`: false while all is counted anew; `turn`: grows with each change and recount.
    There is one row, `id` 1, or none: UTC.
    """

    __tablename__ = "calendar"
    id: int = Field(primary_key=True)
    zone: str
    phase: int
    complete: bool
    turn: int


class RollupRow(SQLModel, table=True):
    """Sums of one hour: see `receiver.domain.rollup`. `retired`: of tasks that were deleted as too old."""

    __tablename__ = "rollup"
    basis: str = Field(primary_key=True)
    slice: str = Field(primary_key=True)
    hour: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    account: str = Field(primary_key=True)
    queue_id: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    retired: bool = Field(primary_key=True)
    __table_args__ = ({"sqlite_with_rowid": False},)


class RollupDayRow(SQLModel, table=True):
    """The sums of slice `all` once more, by days of the calendar's zone: the number of the day since 1970."""

    __tablename__ = "rollup_day"
    basis: str = Field(primary_key=True)
    day: int = Field(primary_key=True)
    account: str = Field(primary_key=True)
    queue_id: str = Field(primary_key=True)
    retired: bool = Field(primary_key=True)
    __table_args__ = ({"sqlite_with_rowid": False},)


class TaskCountRow(SQLModel, table=True):
    """How many tasks or findings there are now of one kind: see `receiver.store.task_counts`."""

    __tablename__ = "task_count"
    account: str = Field(primary_key=True)
    what: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    number: int = Field(sa_column=Column(BigInteger, nullable=False))
    __table_args__ = ({"sqlite_with_rowid": False},)


TASK_COUNT = table(TaskCountRow)
ATTEMPT, CALENDAR = table(AttemptRow), table(CalendarRow)
ROLLUP, ROLLUP_DAY = table(RollupRow), table(RollupDayRow)

for _table in (ROLLUP, ROLLUP_DAY):
    for _name in COUNTS:
        _table.append_column(Column(_name, BigInteger, nullable=False, server_default="0"))
