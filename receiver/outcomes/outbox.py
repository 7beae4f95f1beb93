"""What has become of a task is told: the outbox is written in the transaction that folds it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from receiver.domain.timeline import Timeline
from receiver.outcomes import outbox_sql
from receiver.outcomes.events import Outcome, new_events
from receiver.outcomes.outbox_sql import Addressed
from receiver.outcomes.subscription import Subscription

PROOF = "task.reconciled"


def tell(
    connection: Connection, account: str, timelines: Sequence[Timeline], adopted: Mapping[str, str]
) -> None:
    """Keep the outcome events that follow, and a message for each subscription that wishes for them.

    `adopted`: preliminary key → ref, of tasks that were known without one.
    """
    outbox_sql.adopt(connection, account, adopted)
    before = outbox_sql.told(connection, account, [each.key for each in timelines])
    fresh = [
        (each, line.last_at) for line in timelines for each in new_events(line, before.get(line.key, ()))
    ]
    if not fresh:
        return
    outbox_sql.add_outcomes(connection, fresh)
    subscribers = outbox_sql.subscribers(connection)
    if not subscribers:
        return
    seqs = outbox_sql.seqs_of(connection, fresh)
    proofs = {each.key: (seqs[each.id], each, at) for each, at in fresh if each.type == PROOF}
    _release(connection, account, proofs, {each.id: each for each in subscribers})
    messages = [
        _address(subscriber, each, at, seqs, proofs)
        for each, at in fresh
        for subscriber in subscribers
        if subscriber.matches(each)
    ]
    outbox_sql.add_messages(connection, messages)


Proofs = Mapping[str, tuple[int, Outcome, float]]
"""Key → the proof's seq, the proof, and when it is told."""


def _address(
    subscriber: Subscription, outcome: Outcome, at: float, seqs: Mapping[str, int], proofs: Proofs
) -> Addressed:
    seq = seqs[outcome.id]
    body_seq, state, due_at = seq, "waiting", at
    if subscriber.holds(outcome.type):
        if proof := proofs.get(outcome.key):
            body_seq = proof[0]
            state = "waiting" if subscriber.filter.matches_result(outcome.type, proof[1].data) else "dropped"
        else:
            state, due_at = "held", at + subscriber.max_wait_s
    return Addressed(subscriber.id, outcome, seq, body_seq, state, due_at, at)


def _release(
    connection: Connection, account: str, proofs: Proofs, subscribers: Mapping[str, Subscription]
) -> None:
    """What was held for these proofs is sent now, with what they say."""
    if not proofs:
        return
    going: dict[tuple[str, str], list[int]] = defaultdict(list)
    for seq, subscription, key, event in outbox_sql.held(connection, account, list(proofs)):
        subscriber = subscribers.get(subscription)
        fits = subscriber is not None and subscriber.filter.matches_result(event, proofs[key][1].data)
        going[key, "waiting" if fits else "dropped"].append(seq)
    for (key, state), seqs in going.items():
        body_seq, _, at = proofs[key]
        outbox_sql.release(connection, seqs, state, body_seq, at)
