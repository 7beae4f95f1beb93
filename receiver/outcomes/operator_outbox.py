"""Puts operator events into the outbox of the subscriptions that want them.

An event about a subscription is not sent to this subscription: it would fail as well, or tell the subscriber
of its own failure. Events of the time before a subscription was made are not sent to it.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Row, select, update

from receiver.domain.facts import id_time
from receiver.outcomes.events import Outcome
from receiver.outcomes.operator_types import ABOUT_SUBSCRIPTION, PREFIX, describe_event
from receiver.outcomes.outbox_sql import NewMessage, add_messages, add_outcomes, seqs_of
from receiver.outcomes.subscription import Subscription
from receiver.outcomes.tables import SUBSCRIPTION
from receiver.storage.bulk import among
from receiver.storage.locks import lock_folding
from receiver.storage.operator_events import OPERATOR_EVENT

_BATCH = 100
"""Events of one transaction."""

_STALE_S = 86_400.0
"""Age in seconds of an event that is news no more: no server delivered for a day."""


def untold(connection: Connection) -> Sequence[Row[Any]]:
    """Return the first events that no subscription has got yet."""
    query = select(OPERATOR_EVENT).where(OPERATOR_EVENT.c.told_at.is_(None)).order_by(OPERATOR_EVENT.c.seq)
    return connection.execute(query.limit(_BATCH)).all()


def publish(connection: Connection, now: float) -> int:
    """Put the first untold events into the outbox. Return the number of messages."""
    rows = untold(connection)
    if not rows:
        return 0
    # Outcomes are numbered in the order of their commits.
    lock_folding(connection)
    subscribers = connection.execute(select(SUBSCRIPTION).where(SUBSCRIPTION.c.state != "disabled")).all()
    wanted = [
        (event, names)
        for row in rows
        if now - row.at < _STALE_S and (event := _event(row))
        if (names := _recipients(event, row, subscribers))
    ]
    _enqueue(connection, wanted, now)
    is_told = among(connection, OPERATOR_EVENT.c.seq, [row.seq for row in rows])
    connection.execute(update(OPERATOR_EVENT).where(is_told).values(told_at=now))
    return sum(len(names) for _, names in wanted)


def _event(row: Row[Any]) -> Outcome | None:
    """Return the event of a row, or None if its kind has no type."""
    data = describe_event(row.kind, row.subject, row.detail, orjson.loads(row.data or "{}"))
    if data is None:
        return None
    digest = hashlib.sha256(orjson.dumps([row.seq, row.kind, row.subject])).hexdigest()[:20]
    event_id = f"evt_{id_time(row.at)}{digest}"
    return Outcome(event_id, data["account"] or "", row.subject, PREFIX + row.kind, 0, row.at, data)


def _recipients(event: Outcome, row: Row[Any], subscribers: Sequence[Row[Any]]) -> list[str]:
    """Return the ids of the subscriptions that get an event."""
    return [
        subscriber.id
        for subscriber in subscribers
        if not (event.type.startswith(ABOUT_SUBSCRIPTION) and subscriber.id == event.key)
        and subscriber.created_at <= row.at
        and Subscription.from_row(subscriber).filter.matches_operator(event.type, event.account or None)
    ]


def _enqueue(connection: Connection, wanted: Sequence[tuple[Outcome, list[str]]], now: float) -> None:
    if not wanted:
        return
    outcomes = [(event, now) for event, _ in wanted]
    add_outcomes(connection, outcomes)
    seqs = seqs_of(connection, outcomes)
    messages = [
        NewMessage(name, event, seqs[event.id], seqs[event.id], "waiting", now, now)
        for event, names in wanted
        for name in names
    ]
    add_messages(connection, messages)
