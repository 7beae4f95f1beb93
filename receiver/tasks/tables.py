"""The tables for analysts: attempts one by one, and sums that are kept.

All are derived from the ledger. `attempt`, `rollup`, `rollup_day` and `task_count` are written with the tasks
that they follow from, in one transaction. Times: epoch seconds, UTC.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Index,
    SmallInteger,
    text,
)
from sqlmodel import Field, SQLModel

from receiver.storage.tables import count_column, partial_index, table, where_not_null


class AttemptRow(SQLModel, table=True):
    """One attempt of a task: see `receiver.domain.attempts.Attempt`."""

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


class TaskCountRow(SQLModel, table=True):
    """How many tasks or findings there are now of one kind: see `receiver.tasks.task_counts`."""

    __tablename__ = "task_count"
    account: str = Field(primary_key=True)
    what: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    number: int = Field(sa_column=Column(BigInteger, nullable=False))
    __table_args__ = ({"sqlite_with_rowid": False},)


TASK_COUNT = table(TaskCountRow)


ATTEMPT = table(AttemptRow)


_WHILE_DUE = {"kept_while": ("due_at", "due_for")}
"""A task that is folded anew keeps these values where what it waits for has not changed (see `bulk`)."""


def _where_null(name: str, column: str, *columns: str) -> Index:
    """An index of the rows where a column is not there, which are few."""
    lacks = Column(column).is_(None)
    return partial_index(name, *columns, where=lacks)


def _asked_in_vain(name: str, *columns: str) -> Index:
    """An index of the tasks that are to be asked about later than they were due, which are few."""
    is_later: Any = Column("ask_at") > Column("due_at")
    return partial_index(name, *columns, where=is_later)


class TaskRow(SQLModel, table=True):
    """One task's timeline, folded. `key`: its ref, or `#` and the vendor's id. `ask_at`: `due_at`, and later
    once it was asked about in vain, `asks` times. From `created_at` on: for analysts; without one the task is
    not in the rollups, since it was folded by a version that had none. `crowding`: see `Timeline`.
    """

    __tablename__ = "task"
    account: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    ref: str | None = None
    task_id: str | None = None
    queue_id: str | None = None
    claimed_id: str | None = None
    name: str | None = None
    state: str
    finish_result: str | None = None
    finish_comment: str | None = None
    cdr: str | None = None
    attempts: int
    attempts_most: int | None = None
    attempts_exact: bool
    try_count: int | None = None
    pause: float | None = None
    a_number: str | None = None
    b_number: str | None = None
    extension_id: str | None = None
    confidence: str
    gone: bool
    settled: bool
    planned_at: float | None = None
    first_at: float
    last_at: float
    finished_at: float | None = None
    due_at: float | None = None
    due_for: str | None = None
    ask_at: float | None = Field(default=None, sa_column_kwargs={"info": _WHILE_DUE})
    asks: int = Field(default=0, sa_column_kwargs={"info": _WHILE_DUE, "server_default": text("0")})
    expected: dict[str, int] = Field(sa_column=Column(JSON, nullable=False))
    arrived: dict[str, int] = Field(sa_column=Column(JSON, nullable=False))
    duplicates: dict[str, int] = Field(sa_column=Column(JSON, nullable=False))
    lost: dict[str, int] = Field(sa_column=Column(JSON, nullable=False))
    created_at: float | None = None
    connected_at: float | None = None
    reason: str | None = None
    raw_reason: str | None = None
    failed_leg: str | None = None
    connect_s: float | None = None
    lateness_s: float | None = None
    hooks_expected: int = count_column()
    hooks_arrived: int = count_column()
    hooks_duplicate: int = count_column()
    hooks_late: int = count_column()
    hooks_lost: int = count_column()
    drifts: int = count_column()
    crowding: int = Field(sa_column=Column(SmallInteger, nullable=False, server_default=text("0")))

    __table_args__ = (
        Index("task_by_task_id", "account", "task_id"),
        where_not_null("task_by_due", "account", "due_for", "ask_at"),
        Index("task_by_first", "first_at", "account", "key"),
        Index("task_by_queue", "account", "queue_id", "state"),
        _where_null("task_by_uncounted", "created_at", "account"),
        _asked_in_vain("task_by_oldest", "due_for", "due_at"),
    )


class FindingRow(SQLModel, table=True):
    """One lost hook, drift or anomaly of one task."""

    __tablename__ = "finding"
    account: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    category: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    queue_id: str | None = None
    count: int
    detail: str
    at: float

    __table_args__ = (Index("finding_by_category", "category", "at"),)


class QueueRow(SQLModel, table=True):
    """The last that the API said of a queue."""

    __tablename__ = "queue"
    account: str = Field(primary_key=True)
    queue_id: str = Field(primary_key=True)
    name: str | None = None
    comment: str | None = None
    status: str
    concurrent_task_limit: int | None = None
    created_at: float | None = None
    observed_at: float


TASK, FINDING, QUEUE = table(TaskRow), table(FindingRow), table(QueueRow)


class SweepRow(SQLModel, table=True):
    """How far the reading of one queue has come. `next_page` is 1 when no sweep is under way."""

    __tablename__ = "sweep"
    account: str = Field(primary_key=True)
    queue_id: str = Field(primary_key=True)
    started_at: float
    next_page: int = 1
    tasks: int = 0
    completed_at: float | None = None
    error: str | None = None


SWEEP = table(SweepRow)
