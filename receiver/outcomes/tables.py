"""The tables of outcomes, subscriptions, messages and delivery attempts. Times: epoch seconds, UTC.

`outcome` and `message` are the transactional outbox: they are written in the transaction that folds the task.
They are not derived from the ledger, since a published event cannot be changed.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Float,
    Index,
    Integer,
    String,
    Text,
    literal_column,
)
from sqlmodel import Field, SQLModel

from receiver.outcomes.subscription import SubscriptionOptions
from receiver.storage.tables import NEVER_TWICE, SEQ, partial_index, table

OPEN = ("waiting", "held")
"""States of messages that are still to be delivered."""

UNSETTLED = (*OPEN, "dead")
"""States of messages that are still to be delivered or need a person's attention."""

RESTING = ("dropped", "replayed")
"""States of messages that are rare, beside `delivered`."""

_TYPES = {"string": String, "number": Float, "integer": Integer, "boolean": Boolean}
"""JSON Schema type → column type; other values are stored as JSON."""


def _seq() -> Any:
    return Field(default=None, sa_column=Column(SEQ, primary_key=True))


def _json() -> Any:
    return Field(sa_column=Column(JSON, nullable=False))


_FIRST_OPTIONS = frozenset(
    {"name", "url", "filter", "format", "options", "order", "certainty", "max_wait_s", "concurrency"}
)
"""Options whose columns are never NULL. Later ones are NULL in rows of versions that do not know them."""


def _option_columns() -> list[Column[Any]]:
    """Return a column for each subscription option."""
    columns = []
    for name, schema in SubscriptionOptions.model_json_schema()["properties"].items():
        kinds = [kind.get("type") for kind in schema.get("anyOf", [schema])]
        columns.append(Column(name, _TYPES.get(kinds[0], JSON), nullable=name not in _FIRST_OPTIONS))
    return columns


def _where_in(name: str, states: tuple[str, ...], *columns: str) -> Index:
    """Return an index of the messages in these states, which are few."""
    is_one = Column("state").in_(states)
    return partial_index(name, *columns, where=is_one)


class OutcomeRow(SQLModel, table=True):
    """A published outcome event. `seq` grows in the order of commits, since tasks are folded under one lock:
    a reader that continues after the last seq that it has read misses no event. `told_at`: time of
    publication. `data`: JSON, see `receiver.outcomes.events.describe`.
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
    """A subscription, with a column for each of its options. `secrets`: signing secrets, newest first, each
    with the time at which it expires (null: never). `state`: active, paused or disabled. `reason`: why it is
    disabled. `failing_since`, `failed_at`: first and last failure in a row. `problem`: of the last one, while
    it fails. `slow_until`: end of a pause that the subscriber asked for. `delivered_at`: last delivery, to
    the second; NULL if the version before made it.
    """

    __tablename__ = "subscription"
    id: str = Field(primary_key=True)
    secrets: list[Any] = _json()
    state: str
    reason: str | None = None
    failing_since: float | None = None
    problem: str | None = None
    failed_at: float | None = None
    slow_until: float | None = None
    delivered_at: float | None = None
    created_at: float
    updated_at: float

    __table_args__ = tuple(_option_columns())


class MessageRow(SQLModel, table=True):
    """An outcome for a subscription. `state`: `held` until the API confirms it or `due_at`, `waiting`,
    `delivered`, `dead` after the last attempt, `dropped` by filter or format, or `replayed` if a dead letter
    was resent. `outcome_seq`: the event. `body_seq`: the event whose content is sent, which may be a later
    confirmation. `claimed_until`: end of a sender's claim. `replay`: 0, or the number of the resend. `kept`:
    JSON, the progress of its format over several attempts.
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
        _where_in("message_by_rest", RESTING, "subscription", "state", "made_at"),
        Index("message_by_outcome", "outcome_seq"),
        NEVER_TWICE,
    )


class DeliveryAttemptRow(SQLModel, table=True):
    """An attempt to deliver a message. `status`, `answer`: status and beginning of the response, null without
    one. `problem`: why the attempt failed, null if it delivered. The table has the name that users' scripts
    know.
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


OUTCOME, SUBSCRIPTION = table(OutcomeRow), table(SubscriptionRow)
MESSAGE, DELIVERY_ATTEMPT = table(MessageRow), table(DeliveryAttemptRow)


def in_index(states: tuple[str, ...]) -> ColumnElement[bool]:
    """Return the condition of the partial index of messages in these states. SQLite uses such an index only
    for queries that have its condition as text, without parameters.
    """
    return MESSAGE.c.state.in_([literal_column(f"'{state}'") for state in states])
