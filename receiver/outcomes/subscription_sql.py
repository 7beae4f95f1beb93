"""SQL of subscriptions."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from receiver.http.tokens import remove_tokens_for
from receiver.outcomes.tables import DELIVERY_ATTEMPT, MESSAGE, OPEN, SUBSCRIPTION, UNSETTLED, in_index
from receiver.storage.operator_events import OperatorNotice, add_operator_event

STATES = ("active", "paused", "disabled")


_STEP_S = 1e-6
"""Least number of seconds between two changes, by which readers see that there is another one."""


def _changed_at(at: float) -> ColumnElement[float]:
    """Return the time of a change: later than the last change of any subscription, by a clock that may be
    ahead.
    """
    others = SUBSCRIPTION.alias()
    last = select(func.max(others.c.updated_at)).scalar_subquery()
    return case((last >= at, last + _STEP_S), else_=literal(at))


def add(connection: Connection, row: Mapping[str, Any]) -> None:
    """Add a subscription."""
    values = {**row, "updated_at": _changed_at(row["updated_at"])}
    connection.execute(insert(SUBSCRIPTION).values(values))


def find(connection: Connection, name: str) -> Sequence[Row[Any]]:
    """Return the rows of subscriptions with this id or this name, by id."""
    has_name = or_(SUBSCRIPTION.c.id == name, SUBSCRIPTION.c.name == name)
    return connection.execute(select(SUBSCRIPTION).where(has_name).order_by(SUBSCRIPTION.c.id)).all()


def names(connection: Connection) -> Sequence[str]:
    """Return the names of all subscriptions."""
    return connection.scalars(select(SUBSCRIPTION.c.name).order_by(SUBSCRIPTION.c.name)).all()


def change(connection: Connection, subscription: str, values: Mapping[str, Any]) -> bool:
    """Change columns of a subscription. Return False if it does not exist."""
    if "updated_at" in values:
        values = {**values, "updated_at": _changed_at(values["updated_at"])}
    query = update(SUBSCRIPTION).where(SUBSCRIPTION.c.id == subscription).values(**values)
    return bool(connection.execute(query).rowcount)


def wake(connection: Connection, subscription: str, now: float) -> None:
    """End a pause that the subscriber asked for. The sender ends its own pauses after a change."""
    change(connection, subscription, {"slow_until": None, "updated_at": now})


def disable(connection: Connection, subscription: str, reason: str, at: float) -> None:
    """Disable a subscription, make its open messages dead letters, and record an operator event."""
    changed = connection.execute(
        update(SUBSCRIPTION)
        .where(SUBSCRIPTION.c.id == subscription, SUBSCRIPTION.c.state != "disabled")
        .values(state="disabled", reason=reason, updated_at=_changed_at(at))
    )
    if not changed.rowcount:
        return
    undelivered = MESSAGE.c.subscription == subscription, in_index(OPEN)
    dead = update(MESSAGE).where(*undelivered).values(state="dead", settled_at=at, claimed_until=None)
    letters = connection.execute(dead).rowcount
    name = connection.scalar(select(SUBSCRIPTION.c.name).where(SUBSCRIPTION.c.id == subscription))
    data = {"subscription": subscription, "name": name, "reason": reason, "dead": letters}
    add_operator_event(connection, OperatorNotice("subscription.disabled", subscription, reason, at, data))


def remove(connection: Connection, subscription: str) -> bool:
    """Remove a subscription, its messages and its tokens. Return False if it does not exist."""
    remove_tokens_for(connection, subscription)
    messages = MESSAGE.c.subscription == subscription
    seqs = select(MESSAGE.c.seq).where(messages)
    connection.execute(delete(DELIVERY_ATTEMPT).where(DELIVERY_ATTEMPT.c.message_seq.in_(seqs)))
    connection.execute(delete(MESSAGE).where(messages))
    return bool(connection.execute(delete(SUBSCRIPTION).where(SUBSCRIPTION.c.id == subscription)).rowcount)


def newest_messages(connection: Connection, subscription: str, limit: int) -> Sequence[Any]:
    """Return `state` and `made_at` of the newest messages, newest first."""
    newest = select(MESSAGE.c.state, MESSAGE.c.made_at).where(MESSAGE.c.subscription == subscription)
    newest = newest.order_by(MESSAGE.c.made_at.desc(), MESSAGE.c.seq.desc()).limit(limit)
    return connection.execute(newest).all()


def with_counts() -> Select[Any]:
    """Select all subscriptions by id, with `pending` (open messages), `oldest_at` (since when the oldest of
    them waits) and `dead` (dead letters).
    """
    is_open = MESSAGE.c.state.in_(OPEN)
    counts = (
        select(
            MESSAGE.c.subscription,
            func.count().filter(is_open).label("pending"),
            func.min(MESSAGE.c.made_at).filter(is_open).label("oldest_at"),
            func.count().filter(MESSAGE.c.state == "dead").label("dead"),
        )
        .where(in_index(UNSETTLED))
        .group_by(MESSAGE.c.subscription)
        .subquery()
    )
    return (
        select(
            SUBSCRIPTION,
            func.coalesce(counts.c.pending, 0).label("pending"),
            counts.c.oldest_at,
            func.coalesce(counts.c.dead, 0).label("dead"),
        )
        .select_from(SUBSCRIPTION.join(counts, counts.c.subscription == SUBSCRIPTION.c.id, isouter=True))
        .order_by(SUBSCRIPTION.c.id)
    )
