"""The one door: `record()` appends the facts that are new and folds the tasks they touch, in one transaction.

Submissions that wait are committed together (group commit): callers append to a list and wait; one loop
swaps the list, commits it in the store's writer thread and resolves every caller. There is no delay timer:
while one batch commits, the next gathers.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from receiver.domain.facts import Fact, QueueSaid
from receiver.domain.fold import fold
from receiver.domain.timeline import Timeline
from receiver.errors import StoreUnavailableError
from receiver.metrics import Metrics
from receiver.store import statements
from receiver.store.engine import Store
from receiver.store.rows import key_of, queue_row

MAX_WAITING = 10_000
"""Submissions that may wait for a commit before new ones are turned away."""

MAX_BATCH = 500
"""Submissions in one transaction."""


@dataclass(frozen=True, slots=True)
class Before:
    """What was known of a task before a commit."""

    state: str
    confidence: str
    settled: bool
    lost: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Change:
    """One task that a commit touched. `before` is None for a task that was not known."""

    before: Before | None
    after: Timeline


@dataclass(slots=True)
class Submission:
    """What one caller hands in: facts, and the inbound deliveries they came in (rows of `delivery`)."""

    facts: Sequence[Fact] = ()
    deliveries: Sequence[Mapping[str, Any]] = ()
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Ledger:
    """Records facts. `run()` must be running for `record()` to return."""

    name = "ledger"

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._waiting: list[Submission] = []
        self._wake = asyncio.Event()

    async def record(self, facts: Sequence[Fact], deliveries: Sequence[Mapping[str, Any]] = ()) -> None:
        """Returns once everything is on disk. Raises StoreUnavailableError, and then nothing was kept, or
        StoreError where it is these very rows that the store does not take.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise StoreUnavailableError("too many submissions wait for the store")
        submission = Submission(facts, deliveries)
        self._waiting.append(submission)
        self._wake.set()
        await submission.done

    async def run(self, stop: asyncio.Event) -> None:
        """Commit what waits until `stop` is set and nothing waits any more."""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._wake.set())
        batch: list[Submission] = []
        try:
            while self._waiting or not stop.is_set():
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                    await self._commit(batch)
        finally:
            stopping.cancel()
            _fail([*batch, *self._waiting], StoreUnavailableError("the receiver is stopping"))
            self._waiting.clear()

    async def _commit(self, batch: list[Submission]) -> None:
        """One transaction for all; where rows are at fault, each by itself: one takes no neighbour down."""
        try:
            changes = await self._store.write(lambda connection: _append(connection, batch))
        except StoreUnavailableError as error:
            # Not each by itself: every one would wait for the store as long as this did.
            _fail(batch, error)
            return
        except Exception as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            for submission in batch:
                await self._commit([submission])
            return
        for submission in batch:
            if not submission.done.done():
                submission.done.set_result(None)
        self._metrics.intake_batch_size.observe(len(batch))
        for change in changes:
            _count(self._metrics, change)


def _fail(batch: Sequence[Submission], error: Exception) -> None:
    for submission in batch:
        if not submission.done.done():
            submission.done.set_exception(error)


def _append(connection: Connection, batch: Sequence[Submission]) -> list[Change]:
    statements.add_deliveries(connection, [row for submission in batch for row in submission.deliveries])
    first: dict[str, Fact] = {}
    for fact in (fact for submission in batch for fact in submission.facts):
        first.setdefault(fact.id, fact)
    facts = tuple(first.values())
    new = statements.add_facts(connection, facts)
    by_account: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        if fact.id in new:
            by_account[fact.account].append(fact)
    return [change for account, said in by_account.items() for change in _fold(connection, account, said)]


def _fold(connection: Connection, account: str, new: Sequence[Fact]) -> list[Change]:
    """Fold the account's tasks that the new facts are about."""
    queues = [queue_row(account, fact.at, fact.said) for fact in new if isinstance(fact.said, QueueSaid)]
    statements.put_queues(connection, queues)
    about = [fact for fact in new if not isinstance(fact.said, QueueSaid)]
    statements.add_links(connection, about)
    links = statements.find_links(connection, account, {fact.task_id for fact in about if fact.task_id})
    keys = {key_of(fact.ref, fact.task_id, links) for fact in about}
    preliminary = {f"#{task_id}": ref for task_id, ref in links.items()}
    rows = statements.task_rows(connection, account, keys | preliminary.keys())
    before = {preliminary[key]: row for key, row in rows.items() if key in preliminary} | rows
    timelines = [fold(facts) for facts in statements.facts_of(connection, account, keys).values()]
    statements.drop_tasks(connection, account, preliminary)
    statements.put_tasks(connection, timelines)
    return [Change(_before(before.get(timeline.key)), timeline) for timeline in timelines]


def _before(row: Any) -> Before | None:
    return Before(row.state, row.confidence, row.settled, row.lost) if row else None


def _count(metrics: Metrics, change: Change) -> None:
    """Business counters: each thing once, when the commit that made it so is on disk."""
    before, after = change.before, change.after
    queue = metrics.queue_label(after.queue_id)
    if before is None:
        metrics.tasks_opened.labels(queue).inc()
    if after.confidence == "reconciled" and (before is None or before.confidence != "reconciled"):
        result = after.finish_result or "unknown"
        metrics.tasks_finished.labels(queue, result).inc()
        metrics.task_attempts.labels(result).observe(after.attempts.low)
        if after.finished_at is not None and after.arrived.get("after"):
            metrics.pipeline_lag.labels("reconciled").observe(max(0.0, after.last_at - after.finished_at))
    if after.settled and (before is None or not before.settled):
        _count_settled(metrics, after)


def _count_settled(metrics: Metrics, after: Timeline) -> None:
    bridges = [call.bridged_at for call in after.calls if call.bridged_at is not None]
    begin = after.plan and (after.plan.start_at or after.plan.created_at)
    if bridges and begin:
        took = max(0.0, min(bridges) - begin)
        metrics.time_to_connect.labels(metrics.queue_label(after.queue_id)).observe(took)
    for event, count in after.expected.items():
        metrics.expected_hooks.labels(event).inc(count)
    for event, count in after.lost.items():
        metrics.lost_hooks.labels(event).inc(count)
    for finding in after.findings:
        if finding.category == "drift":
            metrics.drift.labels(finding.kind).inc(finding.count)
        elif finding.category == "anomaly":
            metrics.anomalies.labels(finding.kind).inc(finding.count)
