"""The tables. `inbox` and `set_aside` hold hooks that are not read yet; `fact` and `delivery` are the ledger;
`link`, `task`, `finding` and `queue` are derived from it and can be rebuilt; `dirty_task`, `sweep`, `lease`,
`presence`, `api_token` and the ask columns of `task` are working state. Times: epoch seconds, UTC.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    and_,
    text,
)
from sqlmodel import Field, SQLModel

_SEQ = BigInteger().with_variant(Integer, "sqlite")
"""On SQLite only an INTEGER is the row's own number."""

NEVER_TWICE = {"sqlite_autoincrement": True}
"""For tables whose numbers leave the database. Otherwise SQLite gives the number of the newest row again once
that row is deleted; PostgreSQL never does.
"""

_WHILE_DUE = {"kept_while": ("due_at", "due_for")}
"""A task that is folded anew keeps these values where what it waits for has not changed (see `bulk`)."""


def _where_not_null(name: str, *columns: str) -> Index:
    """An index of the rows where the last of the columns is there."""
    there = Column(columns[-1]).isnot(None)
    return Index(name, *columns, sqlite_where=there, postgresql_where=there)


_UNPLACED = and_(Column("problem").isnot(None), Column("ref").is_(None))


def _count() -> Any:
    return Field(default=0, sa_column_kwargs={"server_default": text("0")})


def _where_null(name: str, column: str, *columns: str) -> Index:
    """An index of the rows where a column is not there, which are few."""
    lacks = Column(column).is_(None)
    return Index(name, *columns, sqlite_where=lacks, postgresql_where=lacks)


def _asked_in_vain(name: str, *columns: str) -> Index:
    """An index of the tasks that are to be asked about later than they were due, which are few."""
    is_later: Any = Column("ask_at") > Column("due_at")
    return Index(name, *columns, sqlite_where=is_later, postgresql_where=is_later)


class DeliveryRow(SQLModel, table=True):
    """One authentic HTTP request that reached a hook, as it came but for its path, which holds the token."""

    __tablename__ = "delivery"
    id: str = Field(primary_key=True)
    account: str
    event: str
    ref: str | None = None
    received_at: float = Field(index=True)
    method: str
    query: str
    headers: list[Any] = Field(sa_column=Column(JSON, nullable=False))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    peer: str | None = None
    problem: str | None = None

    __table_args__ = (
        _where_not_null("delivery_by_problem", "problem"),
        # Those of fixed URLs that have a problem: among them are all that name no task.
        Index(
            "delivery_unplaced",
            *("account", "event", "received_at"),
            sqlite_where=_UNPLACED,
            postgresql_where=_UNPLACED,
        ),
    )


class FactRow(SQLModel, table=True):
    """The ledger: append-only. `said`: what was said, as JSON (see `receiver.domain.facts`)."""

    __tablename__ = "fact"
    seq: int | None = Field(default=None, sa_column=Column(_SEQ, primary_key=True))
    id: str = Field(unique=True)
    account: str
    ref: str | None = None
    task_id: str | None = None
    kind: str
    at: float
    said: str = Field(sa_column=Column(Text, nullable=False))

    # Partial, so that SQLite cannot answer "of this task id, and without a ref" by reading all without a ref.
    __table_args__ = (
        _where_not_null("fact_by_ref", "account", "ref"),
        _where_not_null("fact_by_task_id", "account", "task_id"),
        NEVER_TWICE,
    )


class InboxRow(SQLModel, table=True):
    """A batch of hooks that are on disk and not read yet (see `receiver.inbox.batch`). `at`: when the first
    of them came; `count`: hooks; `size`: bytes of `batch`. Numbers are never given out twice.
    """

    __tablename__ = "inbox"
    number: int | None = Field(default=None, sa_column=Column(_SEQ, primary_key=True))
    at: float
    count: int
    size: int = Field(sa_column=Column("bytes", Integer, nullable=False))
    batch: bytes = Field(sa_column=Column(LargeBinary, nullable=False))

    __table_args__ = (NEVER_TWICE,)


class SetAsideRow(SQLModel, table=True):
    """A batch that could not be read, nearly always of a single hook: it is tried again at `retry_at`. `id`:
    of the hook's delivery, or one made up for a batch whose hooks cannot be told apart. `problem`: the last
    error and where it came from, without any content.
    """

    __tablename__ = "set_aside"
    id: str = Field(primary_key=True)
    account: str | None = None
    event: str | None = None
    ref: str | None = None
    at: float
    count: int
    batch: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    failures: int
    retry_at: float
    problem: str

    __table_args__ = (Index("set_aside_by_retry", "retry_at"),)


class DirtyTaskRow(SQLModel, table=True):
    """A task about which there are facts that its timeline does not hold yet. `name`: as `task.key`, but for
    a task id that is linked to a ref. `since`: when the first of them came. One that could not be folded has
    `failures` and a `problem`, and is tried again at `retry_at`.
    """

    __tablename__ = "dirty_task"
    account: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    since: float
    failures: int = _count()
    retry_at: float = Field(default=0.0, sa_column_kwargs={"server_default": text("0")})
    problem: str | None = None

    __table_args__ = (Index("dirty_task_by_turn", "retry_at", "since"),)


class LinkRow(SQLModel, table=True):
    """Which ref a vendor's task id belongs to, as soon as one fact has named both."""

    __tablename__ = "link"
    account: str = Field(primary_key=True)
    task_id: str = Field(primary_key=True)
    ref: str

    __table_args__ = (Index("link_by_ref", "account", "ref"),)


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
    hooks_expected: int = _count()
    hooks_arrived: int = _count()
    hooks_duplicate: int = _count()
    hooks_late: int = _count()
    hooks_lost: int = _count()
    drifts: int = _count()
    crowding: int = Field(sa_column=Column(SmallInteger, nullable=False, server_default=text("0")))

    __table_args__ = (
        Index("task_by_task_id", "account", "task_id"),
        _where_not_null("task_by_due", "account", "due_for", "ask_at"),
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


METADATA = SQLModel.metadata


def table(row: type[SQLModel]) -> Table:
    """The SQLAlchemy table behind a row class."""
    return METADATA.tables[str(row.__tablename__)]


DELIVERY, FACT, LINK = table(DeliveryRow), table(FactRow), table(LinkRow)
TASK, FINDING, QUEUE = table(TaskRow), table(FindingRow), table(QueueRow)
INBOX, SET_ASIDE, DIRTY_TASK = table(InboxRow), table(SetAsideRow), table(DirtyTaskRow)
SWEEP = table(SweepRow)
