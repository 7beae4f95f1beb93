"""Tables of tasks, attempts, findings, queues and sweeps. Times: epoch seconds, UTC."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Index,
    SmallInteger,
    literal_column,
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
    """The number of tasks or findings of one kind: see `receiver.tasks.task_counts`."""

    __tablename__ = "task_count"
    account: str = Field(primary_key=True)
    what: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    number: int = Field(sa_column=Column(BigInteger, nullable=False))
    __table_args__ = ({"sqlite_with_rowid": False},)


_WHILE_DUE = {"kept_while": ("due_at", "due_for")}
"""A fold keeps these columns while the task waits for the same (see `bulk`)."""


def _where_null(name: str, column: str, *columns: str) -> Index:
    """Return an index of the few rows where a column is null."""
    return partial_index(name, *columns, where=Column(column).is_(None))


def _asked_again(name: str, *columns: str) -> Index:
    """Return an index of the few tasks that are asked about later than they were due."""
    is_later: Any = Column("ask_at") > Column("due_at")
    return partial_index(name, *columns, where=is_later)


_BY_TIME = ("first_at", "account", "key")
"""The order of the list of tasks."""

_OF_STATE = ("state", *_BY_TIME, "attempts")


def has_not_finished(state: ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition of the index `task_by_state`. SQLite uses it only for queries with this text."""
    return state != literal_column("'finished'")


def is_above_zero(count: ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition of the indexes of tasks with lost hooks and with drift."""
    return count > literal_column("0")


class TaskRow(SQLModel, table=True):
    """One folded task. `key`: its ref, or `#` and the vendor's id. `ask_at`: when to ask the API; `due_at`,
    or later after `asks` questions without an answer. From `created_at` on: for analysts; if null, a version
    without rollups has folded the task. `crowding`: see `Timeline`.
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
        Index("task_by_queue_time", "account", "queue_id", "first_at", "key"),
        partial_index(
            "task_by_state", "state", *_BY_TIME, "attempts", where=has_not_finished(Column("state"))
        ),
        partial_index("task_by_lost", *_BY_TIME, "hooks_lost", where=is_above_zero(Column("hooks_lost"))),
        partial_index("task_by_drift", *_BY_TIME, "drifts", where=is_above_zero(Column("drifts"))),
        _where_null("task_by_uncounted", "created_at", "account"),
        _asked_again("task_by_oldest", "due_for", "due_at"),
    )


class TaskNumberRow(SQLModel, table=True):
    """A phone number of a task. `leg`: a or b, the number that is called first or second. `e164`: null if it
    is no international number. `digits`: its digits from the last to the first, so that an index finds
    numbers by their last digits. `at`: the task's `first_at`. As typed, the number is in `task`.
    """

    __tablename__ = "task_number"
    account: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    leg: str = Field(primary_key=True)
    e164: str | None = None
    digits: str
    at: float

    __table_args__ = (
        Index("task_number_by_digits", "digits", "at", "account", "key"),
        {"sqlite_with_rowid": False},
    )


class TaskNumberFillRow(SQLModel, table=True):
    """The last task whose numbers were added after an upgrade, newest first. No row: all tasks have them."""

    __tablename__ = "task_number_fill"
    at: float
    account: str = Field(primary_key=True)
    key: str = Field(primary_key=True)


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

    __table_args__ = (
        Index("finding_by_category", "category", "at"),
        Index("finding_by_kind", "category", "kind", "at"),
        Index("finding_by_queue", "category", "queue_id", "at"),
    )


class QueueRow(SQLModel, table=True):
    """The last description of a queue by the API."""

    __tablename__ = "queue"
    account: str = Field(primary_key=True)
    queue_id: str = Field(primary_key=True)
    name: str | None = None
    comment: str | None = None
    status: str
    concurrent_task_limit: int | None = None
    created_at: float | None = None
    observed_at: float


class SweepRow(SQLModel, table=True):
    """Progress of the sweep of one queue. `next_page`: 1 if no sweep is running."""

    __tablename__ = "sweep"
    account: str = Field(primary_key=True)
    queue_id: str = Field(primary_key=True)
    started_at: float
    next_page: int = 1
    tasks: int = 0
    completed_at: float | None = None
    error: str | None = None


TASK, FINDING, QUEUE = table(TaskRow), table(FindingRow), table(QueueRow)
ATTEMPT, TASK_COUNT, SWEEP = table(AttemptRow), table(TaskCountRow), table(SweepRow)
TASK_NUMBER, TASK_NUMBER_FILL = table(TaskNumberRow), table(TaskNumberFillRow)
