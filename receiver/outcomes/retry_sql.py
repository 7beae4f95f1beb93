"""SQL of a person's test events and retries."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from receiver.outcomes.claim_sql import Settlement, attempt_row
from receiver.outcomes.events import Outcome
from receiver.outcomes.health_sql import save_delivered
from receiver.outcomes.outbox_sql import NewMessage, add_messages, add_outcomes, seqs_of
from receiver.outcomes.params import RetryBody
from receiver.outcomes.tables import DELIVERY_ATTEMPT, MESSAGE, OPEN, OUTCOME, in_index
from receiver.storage.bulk import among, write
from receiver.storage.locks import lock_folding

_BATCH = 500
"""Messages that one transaction makes due."""


def add_test(connection: Connection, event: Outcome, settlement: Settlement) -> int:
    """Store a test event that was sent, and return the seq of its message. A failed one is `dropped`, so that
    it is never sent again.
    """
    subscription, at = settlement.message.subscription, settlement.at
    lock_folding(connection)  # outcomes are numbered in the order of their commits
    add_outcomes(connection, [(event, at)])
    seq = seqs_of(connection, [(event, at)])[event.id]
    state = "delivered" if settlement.state == "delivered" else "dropped"
    add_messages(connection, [NewMessage(subscription, event, seq, seq, state, at, at)])
    of_event = MESSAGE.c.subscription == subscription, MESSAGE.c.outcome_seq == seq
    message = int(connection.scalar(select(MESSAGE.c.seq).where(*of_event)) or 0)
    settled = {"attempts": 1, "settled_at": at + settlement.took_s}
    connection.execute(update(MESSAGE).where(MESSAGE.c.seq == message).values(**settled))
    write(connection, DELIVERY_ATTEMPT, "add", [attempt_row(settlement) | {"message_seq": message}])
    if state == "delivered":
        save_delivered(connection, subscription, at)
    return message


def hurry(connection: Connection, subscription: str, body: RetryBody, now: float, after: int) -> int | None:
    """Make the next waiting messages after a seq due now. Return the last seq, or None if none was left."""
    query = retryable(subscription, body, now).where(MESSAGE.c.seq > after).order_by(MESSAGE.c.seq)
    # All writers of messages lock their rows in the order of `seq`.
    seqs = connection.scalars(query.limit(_BATCH).with_for_update()).all()
    if not seqs:
        return None
    connection.execute(update(MESSAGE).where(among(connection, MESSAGE.c.seq, seqs)).values(due_at=now))
    return int(seqs[-1])


def retryable(subscription: str, body: RetryBody, now: float) -> Select[Any]:
    """Select the seqs of messages that wait for a later attempt."""
    query = select(MESSAGE.c.seq).where(
        MESSAGE.c.subscription == subscription,
        in_index(OPEN),
        MESSAGE.c.state == "waiting",
        MESSAGE.c.due_at > now,
    )
    if body.since is not None:
        query = query.where(MESSAGE.c.made_at >= body.since)
    if body.until is not None:
        query = query.where(MESSAGE.c.made_at < body.until)
    return query


def find_message(connection: Connection, subscription: str, seq: int) -> Row[Any] | None:
    """Return a message of a subscription, with the type of its event."""
    query = (
        select(MESSAGE, OUTCOME.c.type)
        .select_from(MESSAGE.join(OUTCOME, OUTCOME.c.seq == MESSAGE.c.outcome_seq))
        .where(MESSAGE.c.subscription == subscription, MESSAGE.c.seq == seq)
    )
    return connection.execute(query).first()


def last_outcome(
    connection: Connection, task: tuple[str, Sequence[str]], event: str | None, subscription: str | None
) -> Row[Any] | None:
    """Return the newest outcome of a task. `task`: account, possible keys; `event`: only this type;
    `subscription`: only if a message for it exists.
    """
    account, keys = task
    query = select(OUTCOME).where(OUTCOME.c.account == account, among(connection, OUTCOME.c.key, keys))
    if event is not None:
        query = query.where(OUTCOME.c.type == event)
    if subscription is not None:
        sent = select(MESSAGE.c.outcome_seq).where(
            MESSAGE.c.subscription == subscription,
            MESSAGE.c.account == account,
            among(connection, MESSAGE.c.key, keys),
        )
        query = query.where(OUTCOME.c.seq.in_(sent))
    return connection.execute(query.order_by(OUTCOME.c.seq.desc()).limit(1)).first()


def open_until(connection: Connection, message: Row[Any]) -> Sequence[Row[Any]]:
    """Return seq and state of the open messages that go before a message in the order of its task, and of
    the message itself.
    """
    of_task = (
        MESSAGE.c.account == message.account,
        MESSAGE.c.key == message.key,
        MESSAGE.c.subscription == message.subscription,
        MESSAGE.c.seq <= message.seq,
        MESSAGE.c.state.in_(OPEN),
    )
    query: Select[Any] = select(MESSAGE.c.seq, MESSAGE.c.state).where(*of_task).order_by(MESSAGE.c.seq)
    if message.replay:
        query = query.where(MESSAGE.c.replay > 0)
    return connection.execute(query).all()
