"""The outbox: outcome events and messages, written in the transaction that folds their task."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Connection, Engine, Table, select

from receiver.ledger.projections import FoldBatch, Projection
from receiver.outcomes import outbox_sql
from receiver.outcomes.events import PROOF, Outcome, new_events
from receiver.outcomes.outbox_sql import NewMessage
from receiver.outcomes.subscription import Subscription
from receiver.outcomes.subscription_cache import SubscriptionCache
from receiver.outcomes.tables import DELIVERY_ATTEMPT, MESSAGE, OUTCOME


class Outbox(Projection):
    """The tables `outcome` and `message`. It is never derived: what was published stays as it was."""

    tables = (OUTCOME, MESSAGE)

    def __init__(self) -> None:
        # Of each database, since a process may have several.
        self._caches: WeakKeyDictionary[Engine, SubscriptionCache] = WeakKeyDictionary()

    def apply(self, connection: Connection, batch: FoldBatch) -> None:
        """Add the outcome events that follow, and a message for each subscription that they match."""
        outbox_sql.rename_tasks(connection, batch.account, batch.renamed)
        timelines = [change.timeline for change in batch.changes if change.timeline]
        if not timelines:
            return
        published = outbox_sql.published_events(
            connection, batch.account, [timeline.key for timeline in timelines]
        )
        ids = {timeline.queue_id for timeline in timelines if timeline.queue_id}
        names = outbox_sql.queue_names(connection, batch.account, ids)
        events = [
            (event, timeline.last_at)
            for timeline in timelines
            for event in new_events(
                timeline, published.get(timeline.key, ()), names.get(timeline.queue_id or "")
            )
        ]
        if events:
            cache = self._caches.setdefault(connection.engine, SubscriptionCache())
            cache.read(connection)
            _enqueue(connection, batch.account, events, cache)

    def rows_of(
        self, connection: Connection, account: str, keys: Collection[str]
    ) -> list[tuple[Table, ColumnElement[bool]]]:
        """Return the attempts to deliver before the messages that they belong to."""
        outcomes, messages = super().rows_of(connection, account, keys)
        attempts = DELIVERY_ATTEMPT.c.message_seq.in_(select(MESSAGE.c.seq).where(messages[1]))
        return [(DELIVERY_ATTEMPT, attempts), messages, outcomes]


def _enqueue(
    connection: Connection,
    account: str,
    events: Sequence[tuple[Outcome, float]],
    cache: SubscriptionCache,
) -> None:
    """Add events, each with its time, and their messages; release messages that were held for a proof."""
    outbox_sql.add_outcomes(connection, events)
    if not cache.by_id:
        return
    seqs = outbox_sql.seqs_of(connection, events)
    proofs = {event.key: (seqs[event.id], event, at) for event, at in events if event.type == PROOF}
    # All of them: a held message is not dropped because its subscription names other accounts now.
    _release(connection, account, proofs, cache.by_id)
    messages = [
        _message_for(subscriber, event, at, seqs, proofs)
        for event, at in events
        for subscriber in cache.of_account(account)
        if subscriber.matches(event)
    ]
    outbox_sql.add_messages(connection, messages)


Proofs = Mapping[str, tuple[int, Outcome, float]]
"""Key → seq of the proof, the proof, and the time of its publication."""


def _message_for(
    subscriber: Subscription, outcome: Outcome, at: float, seqs: Mapping[str, int], proofs: Proofs
) -> NewMessage:
    """Return the message: waiting, or held until the proof of the event if the subscription wants
    certainty.
    """
    seq = seqs[outcome.id]
    body_seq, state, due_at = seq, "waiting", at
    if subscriber.holds(outcome.type):
        if proof := proofs.get(outcome.key):
            body_seq = proof[0]
            state = "waiting" if subscriber.filter.matches_result(outcome.type, proof[1].data) else "dropped"
        else:
            state, due_at = "held", at + subscriber.max_wait_s
    return NewMessage(subscriber.id, outcome, seq, body_seq, state, due_at, at)


def _release(
    connection: Connection, account: str, proofs: Proofs, subscribers: Mapping[str, Subscription]
) -> None:
    """Let messages that were held for these proofs be sent, or drop them if they no longer match."""
    if not proofs:
        return
    released: dict[tuple[str, str], list[int]] = defaultdict(list)
    for seq, subscription, key, event in outbox_sql.held_messages(connection, account, list(proofs)):
        subscriber = subscribers.get(subscription)
        fits = subscriber is not None and subscriber.filter.matches_result(event, proofs[key][1].data)
        released[key, "waiting" if fits else "dropped"].append(seq)
    for (key, state), seqs in released.items():
        body_seq, _, at = proofs[key]
        outbox_sql.release(connection, seqs, state, body_seq, at)
