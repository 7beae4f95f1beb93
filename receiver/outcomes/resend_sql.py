"""SQL that puts published outcomes, or a test event, into the outbox."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select, update

from receiver.outcomes.events import Outcome
from receiver.outcomes.operator_types import ABOUT_SUBSCRIPTION, PREFIX
from receiver.outcomes.outbox_sql import NewMessage, add_messages, add_outcomes, seqs_of
from receiver.outcomes.params import ResendBody
from receiver.outcomes.subscription import Subscription, SubscriptionFilter
from receiver.outcomes.tables import MESSAGE, OUTCOME
from receiver.storage.bulk import among, write
from receiver.storage.locks import lock_folding

TEST = "receiver.test"
"""Type of the test event, which is in no feed."""

_BATCH = 500
"""Outcomes that one transaction resends."""


def resendable(
    connection: Connection, subscription: Subscription, body: ResendBody, after: int = 0
) -> Select[Any]:
    """Select the outcomes after a seq that are resent, in order: seq, id, type, account, key, result,
    told_at.
    """
    columns = (OUTCOME.c[name] for name in ("seq", "id", "type", "account", "key", "result", "told_at"))
    # An operator event about this subscription was never sent to it.
    is_own = and_(OUTCOME.c.key == subscription.id, OUTCOME.c.type.startswith(ABOUT_SUBSCRIPTION))
    query = select(*columns).where(OUTCOME.c.seq > after, OUTCOME.c.type != TEST, ~is_own)
    query = query.order_by(OUTCOME.c.seq)
    if body.dead:
        letters = MESSAGE.c.subscription == subscription.id, MESSAGE.c.state == "dead"
        query = query.where(OUTCOME.c.seq.in_(select(MESSAGE.c.outcome_seq).where(*letters)))
    else:
        query = query.where(*_accepted(connection, subscription.filter))
        if not subscription.filter.types:
            query = query.where(~is_operator())
    query = query.where(*_accepted(connection, body.filter))
    if body.events:
        query = query.where(among(connection, OUTCOME.c.id, body.events))
    if body.since is not None:
        query = query.where(OUTCOME.c.told_at >= body.since)
    if body.until is not None:
        query = query.where(OUTCOME.c.told_at < body.until)
    return query


def _accepted(connection: Connection, accepting: SubscriptionFilter) -> list[ColumnElement[bool]]:
    """Return the conditions of a filter. Only types and accounts apply to operator events."""
    conditions = []
    for name, values in accepting.accepted_values().items():
        has_value = among(connection, OUTCOME.c[name], values)
        conditions.append(has_value if name in ("type", "account") else or_(has_value, is_operator()))
    return conditions


def is_operator() -> ColumnElement[bool]:
    """Return the condition that an event is for the operator, not about a task's outcome."""
    return OUTCOME.c.type.startswith(PREFIX)


def resend(
    connection: Connection, subscription: Subscription, body: ResendBody, now: float, after: int
) -> int | None:
    """Add messages for the next outcomes after a seq. Return the last seq, or None if none was left."""
    rows = connection.execute(resendable(connection, subscription, body, after).limit(_BATCH)).all()
    if not rows:
        return None
    seqs = [row.seq for row in rows]
    sent = (MESSAGE.c.subscription == subscription.id, among(connection, MESSAGE.c.outcome_seq, seqs))
    # Two resends at once would otherwise take the same number.
    lock_folding(connection)
    latest = (
        select(MESSAGE.c.outcome_seq, func.max(MESSAGE.c.replay).label("number"))
        .where(*sent)
        .group_by(MESSAGE.c.outcome_seq)
    )
    numbers = {row.outcome_seq: row.number for row in connection.execute(latest)}
    if body.dead:
        connection.execute(update(MESSAGE).where(*sent, MESSAGE.c.state == "dead").values(state="replayed"))
    confirmations = _confirmations(connection, rows) if subscription.certainty == "reconciled" else {}
    messages = [
        {
            "subscription": subscription.id,
            "outcome_seq": row.seq,
            "body_seq": _body_seq(row, confirmations),
            "replay": numbers.get(row.seq, 0) + 1,
            "account": row.account,
            "key": row.key,
            "state": "waiting",
            "due_at": now,
            "made_at": now,
            "attempts": 0,
        }
        for row in rows
        if not _is_corrected(row, confirmations)
    ]
    write(connection, MESSAGE, "add", messages)
    return int(seqs[-1])


_Confirmations = Mapping[tuple[str, str], Row[Any]]
"""(account, key) → seq and result of the task's latest `task.reconciled`."""


def _confirmations(connection: Connection, rows: Sequence[Row[Any]]) -> _Confirmations:
    columns = (OUTCOME.c[name] for name in ("account", "key", "seq", "result"))
    of_tasks = among(connection, OUTCOME.c.key, {row.key for row in rows})
    query = select(*columns).where(of_tasks, OUTCOME.c.type == "task.reconciled").order_by(OUTCOME.c.seq)
    return {(row.account, row.key): row for row in connection.execute(query)}


def _body_seq(row: Row[Any], confirmations: _Confirmations) -> int:
    """Return the event whose content is sent: for an end that was confirmed, the confirmation."""
    confirmation = confirmations.get((row.account, row.key))
    return int(confirmation.seq if confirmation and row.type == "task.finished" else row.seq)


def _is_corrected(row: Row[Any], confirmations: _Confirmations) -> bool:
    """Return whether the API has corrected this connection to none."""
    confirmation = confirmations.get((row.account, row.key))
    return bool(confirmation and row.type == "task.connected" and confirmation.result != "connected")


def send_test(connection: Connection, subscription: str, event: Outcome, now: float) -> int:
    """Put a test event into the outbox and return the seq of its message."""
    lock_folding(connection)  # outcomes are numbered in the order of their commits
    add_outcomes(connection, [(event, now)])
    seq = seqs_of(connection, [(event, now)])[event.id]
    add_messages(connection, [NewMessage(subscription, event, seq, seq, "waiting", now, now)])
    query = select(MESSAGE.c.seq).where(MESSAGE.c.subscription == subscription, MESSAGE.c.outcome_seq == seq)
    return int(connection.scalar(query) or 0)
