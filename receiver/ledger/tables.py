"""Tables of the ledger: deliveries, facts, dirty tasks and links."""

from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Index,
    LargeBinary,
    Text,
    and_,
    text,
)
from sqlmodel import Field, SQLModel

from receiver.storage.tables import NEVER_TWICE, SEQ, count_column, partial_index, table, where_not_null

_UNPLACED = and_(Column("problem").isnot(None), Column("ref").is_(None))


class DeliveryRow(SQLModel, table=True):
    """One authentic request to a hook URL, as it came except for its path, which has the token."""

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
        where_not_null("delivery_by_problem", "problem"),
        partial_index("delivery_with_problem", "received_at", "id", where=Column("problem").isnot(None)),
        # Deliveries with a problem at fixed URLs: all deliveries that name no task are among them.
        partial_index("delivery_unplaced", "account", "event", "received_at", where=_UNPLACED),
    )


class FactRow(SQLModel, table=True):
    """One fact; append-only. `said`: its payload as JSON (see `receiver.domain.facts`)."""

    __tablename__ = "fact"
    seq: int | None = Field(default=None, sa_column=Column(SEQ, primary_key=True))
    id: str = Field(unique=True)
    account: str
    ref: str | None = None
    task_id: str | None = None
    kind: str
    at: float
    said: str = Field(sa_column=Column(Text, nullable=False))

    # Partial, so that SQLite does not search "this task id and no ref" among all facts without a ref.
    __table_args__ = (
        where_not_null("fact_by_ref", "account", "ref"),
        where_not_null("fact_by_task_id", "account", "task_id"),
        NEVER_TWICE,
    )


class DirtyTaskRow(SQLModel, table=True):
    """A task with facts that are not folded yet. `name`: a ref, or `#` and a task id. `since`: when the first
    of these facts came. A task that could not be folded has `failures` and a `problem`, and is retried at
    `retry_at`.
    """

    __tablename__ = "dirty_task"
    account: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    since: float
    failures: int = count_column()
    retry_at: float = Field(default=0.0, sa_column_kwargs={"server_default": text("0")})
    problem: str | None = None

    __table_args__ = (Index("dirty_task_by_turn", "retry_at", "since"),)


class LinkRow(SQLModel, table=True):
    """The ref of a vendor's task id, known from the first fact that named both."""

    __tablename__ = "link"
    account: str = Field(primary_key=True)
    task_id: str = Field(primary_key=True)
    ref: str

    __table_args__ = (Index("link_by_ref", "account", "ref"),)


DELIVERY, FACT, LINK = table(DeliveryRow), table(FactRow), table(LinkRow)
DIRTY_TASK = table(DirtyTaskRow)
