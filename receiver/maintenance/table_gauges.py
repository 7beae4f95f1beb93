"""Gauges counted from the tables in the background, so that a scrape runs no SQL."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import structlog
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import Connection, Row, func, select

from receiver.domain.facts import EVENTS
from receiver.errors import StoreUnavailableError
from receiver.inbox.inbox import Level, measure
from receiver.inbox.tables import SET_ASIDE
from receiver.ledger import dirty
from receiver.ledger.tables import DIRTY_TASK
from receiver.observability.metric_definitions import METRICS, PREFIX
from receiver.observability.metrics import Metrics, SnapshotCollector
from receiver.outcomes.subscription_sql import STATES, with_counts
from receiver.runtime.clock import Clock
from receiver.runtime.workers import pause
from receiver.storage.engine import Store
from receiver.tasks import task_counts
from receiver.tasks.tables import QUEUE

_log = structlog.get_logger("receiver.snapshot")

EVERY_S = 15.0
_TIMEOUT_S = 10.0

Counts = dict[tuple[str, ...], float]
"""Values of the labels → number."""

_API_PURPOSES = ("find", "progress", "confirm", "call")
"""Purposes that only an answer of the scheduler's API fulfills."""


class TableCounts(NamedTuple):
    """Counts of the tables. `due`: stage → due time of its longest wait, epoch seconds. `inbox`: its fill
    level. `set_aside`: hooks and tasks.
    """

    inbox: Level
    set_aside: Counts
    tasks: Counts
    waits: Counts
    due: Counts
    findings: Counts
    queues: Sequence[str]
    outbox: Sequence[Row[Any]]


class SnapshotWorker:
    """Refreshes the scraped snapshot every 15 seconds. A failure is counted, and the old values stay."""

    name = "snapshot"

    def __init__(self, store: Store, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._collector = SnapshotCollector()
        metrics.registry.register(self._collector)

    async def run(self, stop: asyncio.Event) -> None:
        """Refresh until `stop`."""
        while not stop.is_set():
            await self.refresh()
            await pause(self._clock, EVERY_S, stop)

    async def refresh(self) -> None:
        """Refresh the snapshot once."""
        try:
            counts = await asyncio.wait_for(self._store.read(count_tables), _TIMEOUT_S)
        except (TimeoutError, StoreUnavailableError) as error:
            self._metrics.snapshot_failures.inc()
            _log.warning("snapshot not refreshed", problem=str(error) or "timed out")
            return
        for queue in counts.queues:
            self._metrics.expect_queue(self._metrics.queue_label(queue))
        for row in counts.outbox:
            self._metrics.expect_subscription(row.id)
        self._collector.families = self._families(counts)

    def _families(self, counts: TableCounts) -> tuple[GaugeMetricFamily, ...]:
        now = self._clock.now()
        by_queue: Counts = {}
        for (queue, state), number in counts.tasks.items():
            label = self._metrics.queue_label(queue or None)
            by_queue[label, state] = by_queue.get((label, state), 0) + number
        ages = {stage: max(0.0, now - at) for stage, at in counts.due.items()}
        api_age = max((ages.get((stage,), 0.0) for stage in _API_PURPOSES), default=0.0)
        values: Mapping[str, Counts] = {
            "tasks": by_queue,
            "findings": counts.findings,
            "inbox_bytes": {(): counts.inbox.bytes},
            "set_aside": counts.set_aside,
            "pipeline_backlog": counts.waits,
            "pipeline_oldest_pending_age_seconds": ages,
            "reconcile_oldest_due_age_seconds": {(): api_age},
            "snapshot_last_success_timestamp_seconds": {(): now},
            **_of_outbox(counts.outbox, now),
        }
        return tuple(_gauge(name, value) for name, value in values.items())


def _of_outbox(rows: Sequence[Row[Any]], now: float) -> Mapping[str, Counts]:
    """Return the values of the gauges about subscriptions."""
    return {
        "delivery_pending": {(row.id,): row.pending for row in rows},
        "delivery_oldest_pending_age_seconds": {
            (row.id,): max(0.0, now - row.oldest_at) if row.oldest_at else 0.0 for row in rows
        },
        "delivery_dead_letters": {(row.id,): row.dead for row in rows},
        "subscription_state": {
            (row.id, state): float(row.state == state) for row in rows for state in STATES
        },
    }


def count_tables(connection: Connection) -> TableCounts:
    """Return all counts of the snapshot."""
    inbox, dirty_tasks = measure(connection), dirty.waiting(connection)
    tasks: Counts = {}
    waits: Counts = {("read",): inbox.hooks, ("fold",): dirty_tasks.tasks}
    findings: Counts = {("suspected_hook", event): 0 for event in EVENTS}
    for group, name, value, number in task_counts.counts(connection):
        if group == "state":
            tasks[name, value] = number
        elif group == "due":
            waits[(name,)] = number
        else:
            findings[name, value] = number
    due = {"read": inbox.since, "fold": dirty_tasks.since, **task_counts.due_since(connection)}
    return TableCounts(
        inbox=inbox,
        set_aside=_set_aside(connection),
        tasks=tasks,
        waits=waits,
        due={(stage,): at for stage, at in due.items() if at is not None},
        findings=findings,
        queues=connection.scalars(select(QUEUE.c.queue_id)).all(),
        outbox=connection.execute(with_counts()).all(),
    )


def _set_aside(connection: Connection) -> Counts:
    """Return the numbers of hooks that cannot be read and of tasks that cannot be folded."""
    hooks = select(func.coalesce(func.sum(SET_ASIDE.c["count"]), 0))
    tasks = select(func.count()).where(DIRTY_TASK.c.failures > 0)
    return {
        ("hook",): float(connection.scalar(hooks) or 0),
        ("task",): float(connection.scalar(tasks) or 0),
    }


def _gauge(name: str, values: Counts) -> GaugeMetricFamily:
    """Return a gauge with values, and 0 for other known labels."""
    metric = METRICS[name]
    gauge = GaugeMetricFamily(f"{PREFIX}{metric.name}", metric.help, labels=metric.labels)
    for labels, value in (dict.fromkeys(metric.label_sets(), 0.0) | values).items():
        gauge.add_metric(list(labels), value)
    return gauge
