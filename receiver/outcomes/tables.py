"""The tables of what goes out: outcomes that were told, who subscribes to them, and how each was delivered.

`outcome` and `message` are written in the transaction that folds the task (transactional outbox). They are no
derived tables: what was told cannot be told otherwise later. Times: epoch seconds, UTC.
"""

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, Text
from sqlmodel import Field, SQLModel

from receiver.storage.tables import NEVER_TWICE, table

OPEN = ("waiting", "held")


UNSETTLED = (*OPEN, "dead")
"""States of messages that are still to be delivered, and of those that somebody should look at."""


SEQ = BigInteger().with_variant(Integer, "sqlite")


def _seq() -> Any:
    return Field(default=None, sa_column=Column(SEQ, primary_key=True))


def _json() -> Any:
    return Field(sa_column=Column(JSON, nullable=False))


def _where_in(name: str, states: tuple[str, ...], *columns: str) -> Index:
    """An index of the messages in these states, which are few."""
    is_one = Column("state").in_(states)
    return Index(name, *columns, sqlite_where=is_one, postgresql_where=is_one)


class OutcomeRow(SQLModel, table=True):
    """One outcome event, as it was told. `seq` grows in the order of the commits: tasks are folded under one
    lock, so a reader that goes on behind the last seq it has seen skips none. `data`: JSON, see
    `receiver.outcomes.events.describe`.
    """

    __tablename__ = "outcome"
    seq: int | None = _seq()
    id: str = Field(unique=True)
    account: str
    key: str
    queue_id: str | None = None
    type: str
    number: int
    result: str
    at: float
    told_at: float
    data: str = Field(sa_column=Column(Text, nullable=False))

    __table_args__ = (
        Index("outcome_by_task", "account", "key"),
        Index("outcome_by_time", "told_at"),
        NEVER_TWICE,
    )


class SubscriptionRow(SQLModel, table=True):
    """A CRM's wish for outcomes. `secrets`: those that sign, the newest first, each with the time at which it
    stops doing so (null: never). `filter`: name → accepted values, without a name: all. `state`: active,
    paused, or disabled, `reason` says why. `failing_since`, `failed_at`: the first and the last of
    the failures in a row.
    """

    __tablename__ = "subscription"
    id: str = Field(primary_key=True)
    name: str
    url: str
    secrets: list[Any] = _json()
    filter: dict[str, Any] = _json()
    format: str
    options: dict[str, Any] = _json()
    order: str
    certainty: str
    max_wait_s: float
    rate: float | None = None
    concurrency: int
    state: str
    reason: str | None = None
    failing_since: float | None = None
    failed_at: float | None = None
    slow_until: float | None = None
    created_at: float
    updated_at: float


class MessageRow(SQLModel, table=True):
    """One outcome for one subscription. `state`: `held` until it is proven or `due_at`, `waiting`,
    `delivered`, `dead` after the last attempt, `dropped` by its format or with its subscription.
    `outcome_seq`: the event; `body_seq`: the one whose content is sent, a later proof of it where that was
    waited for. `claimed_until`: some sender is at it. `replay`: 0, or the number of the replay. `kept`: JSON,
    what its format keeps from one attempt to the next.
    """

    __tablename__ = "message"
    seq: int | None = _seq()
    subscription: str
    outcome_seq: int = Field(sa_column=Column(SEQ, nullable=False))
    body_seq: int = Field(sa_column=Column(SEQ, nullable=False))
    replay: int = 0
    account: str
    key: str
    state: str
    due_at: float
    made_at: float
    attempts: int = 0
    claimed_until: float | None = None
    settled_at: float | None = None
    kept: str | None = Field(default=None, sa_column=Column(Text))

    __table_args__ = (
        Index("message_once", "subscription", "outcome_seq", "replay", unique=True),
        _where_in("message_by_due", OPEN, "subscription", "due_at", "seq"),
        Index("message_by_task", "account", "key", "subscription", "seq"),
        Index("message_by_made", "subscription", "made_at", "seq"),
        _where_in("message_by_state", UNSETTLED, "subscription", "state", "made_at"),
        Index("message_by_outcome", "outcome_seq"),
        NEVER_TWICE,
    )


class PostingRow(SQLModel, table=True):
    """One attempt to deliver a message. `status`: of the answer, null where there was none; `answer`: its
    beginning; `problem`: why it is not delivered by that, null where it is.
    """

    __tablename__ = "posting"
    seq: int | None = _seq()
    message_seq: int = Field(sa_column=Column(SEQ, nullable=False, index=True))
    number: int
    at: float
    took_s: float
    status: int | None = None
    answer: str | None = None
    problem: str | None = None

    __table_args__ = (NEVER_TWICE,)


OUTCOME, SUBSCRIPTION, MESSAGE = table(OutcomeRow), table(SubscriptionRow), table(MessageRow)


POSTING = table(PostingRow)
