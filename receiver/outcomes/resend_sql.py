"""SQL that puts published outcomes into the outbox again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select, update

from receiver.errors import ConflictError
from receiver.outcomes.events import PROOF, EventType
from receiver.outcomes.operator_types import ABOUT_SUBSCRIPTION, PREFIX
from receiver.outcomes.params import ResendBody
from receiver.outcomes.subscription import Subscription, SubscriptionFilter
from receiver.outcomes.tables import MESSAGE, OPEN, OUTCOME, UNSETTLED, in_index
from receiver.storage.bulk import among, write
from receiver.storage.locks import lock_folding

TEST = "receiver.test"
"""Type of the test event, which is in no feed."""

_BATCH = 500
"""Outcomes that one transaction resends."""


class ResentOutcome(NamedTuple):
    """An outcome that is resent. `body_seq`: the event whose content is sent."""

    row: Row[Any]
    body_seq: int


class ResendTimes(NamedTuple):
    """Time of a resend, and the time by which its messages are ordered among those that wait."""

    now: float
    due_at: float


def count(connection: Connection, subscription: Subscription, body: ResendBody) -> dict[EventType, int]:
    """Return the number of outcomes that are resent, by type."""
    numbers: Counter[EventType] = Counter()
    after: int | None = 0
    while after is not None:
        outcomes, after = _next_outcomes(connection, subscription, body, after)
        numbers.update(outcome.row.type for outcome in outcomes)
    return dict(numbers)


def next_due_at(connection: Connection, subscription: str, now: float) -> float:
    """Return a time before that of every open message, so that what is resent does not queue behind them."""
    is_open = MESSAGE.c.subscription == subscription, in_index(OPEN)
    first = connection.scalar(select(func.min(MESSAGE.c.due_at)).where(*is_open))
    return now if first is None else min(now, first - 1.0)


def resend(
    connection: Connection, subscription: Subscription, body: ResendBody, times: ResendTimes, after: int
) -> int | None:
    """Add messages for the next outcomes after a seq. Return the last seq, or None if none was left."""
    # Two resends at once would otherwise take the same number.
    lock_folding(connection)
    outcomes, last = _next_outcomes(connection, subscription, body, after)
    if body.dead:
        _replace_dead(connection, subscription, [outcome.row.seq for outcome in outcomes])
    _add(connection, subscription, outcomes, times)
    return last


def resend_message(
    connection: Connection, subscription: Subscription, message: Row[Any], times: ResendTimes
) -> int:
    """Add a message for the outcome of another one, and return its seq. A dead letter is replaced.

    Raises ConflictError if the API has corrected the outcome since.
    """
    lock_folding(connection)
    rows = connection.execute(select(OUTCOME).where(OUTCOME.c.seq == message.outcome_seq)).all()
    outcomes = _judged(connection, subscription, rows, [SubscriptionFilter()], list(OUTCOME.c))
    if not outcomes:
        raise ConflictError("the API has corrected this connection to none: it is not sent again")
    _replace_dead(connection, subscription, [message.outcome_seq])
    _add(connection, subscription, outcomes, times)
    of_outcome = MESSAGE.c.subscription == subscription.id, MESSAGE.c.outcome_seq == message.outcome_seq
    return int(connection.scalar(select(func.max(MESSAGE.c.seq)).where(*of_outcome)) or 0)


def _replace_dead(connection: Connection, subscription: Subscription, seqs: Sequence[int]) -> None:
    of_outcomes = MESSAGE.c.subscription == subscription.id, among(connection, MESSAGE.c.outcome_seq, seqs)
    dead = update(MESSAGE).where(*of_outcomes, MESSAGE.c.state == "dead")
    connection.execute(dead.values(state="replayed"))


def _add(
    connection: Connection,
    subscription: Subscription,
    outcomes: Sequence[ResentOutcome],
    times: ResendTimes,
) -> None:
    seqs = [outcome.row.seq for outcome in outcomes]
    latest = (
        select(MESSAGE.c.outcome_seq, func.max(MESSAGE.c.replay).label("number"))
        .where(MESSAGE.c.subscription == subscription.id, among(connection, MESSAGE.c.outcome_seq, seqs))
        .group_by(MESSAGE.c.outcome_seq)
    )
    numbers = {row.outcome_seq: row.number for row in connection.execute(latest)}
    messages = [
        {
            "subscription": subscription.id,
            "outcome_seq": row.seq,
            "body_seq": body_seq,
            "replay": numbers.get(row.seq, 0) + 1,
            "account": row.account,
            "key": row.key,
            "state": "waiting",
            "due_at": times.due_at,
            "made_at": times.now,
            "attempts": 0,
        }
        for row, body_seq in outcomes
    ]
    write(connection, MESSAGE, "add", messages)


def _next_outcomes(
    connection: Connection, subscription: Subscription, body: ResendBody, after: int
) -> tuple[list[ResentOutcome], int | None]:
    """Return the outcomes of the next batch after a seq that are resent, and the last seq of the batch, None
    if none was left.
    """
    filters = [body.filter] if body.dead else [body.filter, subscription.filter]
    columns = ["seq", "id", "type", "account", "key", "result"]
    if any(each.conditions for each in filters):
        columns.append("data")
    selected = [OUTCOME.c[name] for name in columns]
    candidates = _candidates(connection, subscription, body).where(OUTCOME.c.seq > after)
    rows = connection.execute(candidates.with_only_columns(*selected).limit(_BATCH)).all()
    if not rows:
        return [], None
    return _judged(connection, subscription, rows, filters, selected), int(rows[-1].seq)


def _judged(
    connection: Connection,
    subscription: Subscription,
    rows: Sequence[Row[Any]],
    filters: Sequence[SubscriptionFilter],
    selected: Sequence[ColumnElement[Any]],
) -> list[ResentOutcome]:
    """Return the outcomes that these filters accept, by their proofs if the subscription waits for them."""
    proofs = _proofs(connection, rows, selected) if subscription.certainty == "reconciled" else {}
    outcomes = []
    for row in rows:
        proof = proofs.get((row.account, row.key)) if subscription.holds(row.type) else None
        if _fits(filters, row.type, proof or row):
            is_end = proof is not None and row.type == "task.finished"
            outcomes.append(ResentOutcome(row, proof.seq if proof and is_end else row.seq))
    return outcomes


def _candidates(connection: Connection, subscription: Subscription, body: ResendBody) -> Select[Any]:
    """Select the outcomes that are resent if how their tasks went is accepted, in order."""
    # An operator event about this subscription was never sent to it.
    is_own = and_(OUTCOME.c.key == subscription.id, OUTCOME.c.type.startswith(ABOUT_SUBSCRIPTION))
    query = select(OUTCOME).where(OUTCOME.c.type != TEST, ~is_own).order_by(OUTCOME.c.seq)
    if body.dead:
        is_dead = in_index(UNSETTLED), MESSAGE.c.state == "dead"
        letters = MESSAGE.c.subscription == subscription.id, *is_dead
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
    for name, values in accepting.task_values().items():
        has_value = among(connection, OUTCOME.c[name], values)
        conditions.append(has_value if name in ("type", "account") else or_(has_value, is_operator()))
    return conditions


def is_operator() -> ColumnElement[bool]:
    """Return the condition that an event is for the operator, not about a task's outcome."""
    return OUTCOME.c.type.startswith(PREFIX)


def _fits(filters: Sequence[SubscriptionFilter], event: str, judged: Row[Any]) -> bool:
    """Return whether it is accepted how the task went. These filters do not apply to operator events."""
    data = _data(judged)
    return event.startswith(PREFIX) or all(each.matches_result(event, data) for each in filters)


def _proofs(
    connection: Connection, rows: Sequence[Row[Any]], columns: Sequence[ColumnElement[Any]]
) -> Mapping[tuple[str, str], Row[Any]]:
    """Return (account, key) → the task's latest `task.reconciled`."""
    of_tasks = among(connection, OUTCOME.c.key, {row.key for row in rows})
    query = select(*columns).where(of_tasks, OUTCOME.c.type == PROOF).order_by(OUTCOME.c.seq)
    return {(row.account, row.key): row for row in connection.execute(query)}


def _data(row: Row[Any]) -> Mapping[str, Any]:
    """Return the content of an event, or only its result if no more was selected."""
    content = row._mapping.get("data")
    return {"result": row.result} if content is None else orjson.loads(content)
