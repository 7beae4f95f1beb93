"""What the scrape shows of the tables, counted in the background: a scrape runs no SQL."""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import Connection, Row, func, select

from receiver.clock import Clock
from receiver.errors import StoreUnavailableError
from receiver.metrics import Metrics, SnapshotCollector
from receiver.store.engine import Store
from receiver.store.subscriptions import STATES, outbox
from receiver.store.tables import FINDING, TASK
from receiver.workers import pause

_log = structlog.get_logger("receiver.snapshot")

EVERY_S = 15.0
_TIMEOUT_S = 10.0

Counts = dict[tuple[str, ...], float]


class SnapshotWorker:
    """Refreshes the scraped snapshot every 15 seconds; a failure is counted and changes nothing."""

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
        """Count once."""
        try:
            counted = await asyncio.wait_for(self._store.read(_count), _TIMEOUT_S)
        except (TimeoutError, StoreUnavailableError) as error:
            self._metrics.snapshot_failures.inc()
            _log.warning("snapshot not refreshed", problem=str(error) or "timed out")
            return
        self._collector.families = self._families(*counted)

    def _families(
        self, tasks: Counts, due: Counts, oldest: Counts, findings: Counts, outbox: Sequence[Row[Any]]
    ) -> tuple[GaugeMetricFamily, ...]:
        now = self._clock.now()
        by_queue: Counts = {}
        for (queue, state), count in tasks.items():
            label = self._metrics.queue_label(queue or None)
            by_queue[label, state] = by_queue.get((label, state), 0) + count
        ages = {stage: max(0.0, now - at) for stage, at in oldest.items()}
        return (
            _gauge("tasks", "Tasks by queue and state.", ("queue", "state"), by_queue),
            _gauge("findings", "Findings that stand, by category and kind.", ("category", "kind"), findings),
            _gauge("pipeline_backlog", "Tasks that wait, by what for.", ("stage",), due),
            _gauge("pipeline_oldest_pending_age_seconds", "Age of the longest wait.", ("stage",), ages),
            _gauge(
                "reconcile_oldest_due_age_seconds",
                "Age of the longest wait for the API.",
                (),
                {(): max((age for stage, age in ages.items() if stage != ("settle",)), default=0.0)},
            ),
            _gauge("snapshot_last_success_timestamp_seconds", "When these were counted.", (), {(): now}),
            *_of_outbox(outbox, now),
        )


def _of_outbox(rows: Sequence[Row[Any]], now: float) -> list[GaugeMetricFamily]:
    """What waits for each subscription, and how each stands."""
    by = ("subscription",)
    ages: Counts = {(row.id,): max(0.0, now - row.oldest_at) if row.oldest_at else 0.0 for row in rows}
    states: Counts = {(row.id, state): float(row.state == state) for row in rows for state in STATES}
    return [
        _gauge(
            "delivery_pending", "Messages to be delivered.", by, {(row.id,): row.pending or 0 for row in rows}
        ),
        _gauge("delivery_oldest_pending_age_seconds", "Age of the oldest of them.", by, ages),
        _gauge("delivery_dead_letters", "Dead letters.", by, {(row.id,): row.dead or 0 for row in rows}),
        _gauge("subscription_state", "1 for the state it is in.", ("subscription", "state"), states),
    ]


def _count(connection: Connection) -> tuple[Counts, Counts, Counts, Counts, Sequence[Row[Any]]]:
    number = func.count()
    tasks = select(TASK.c.queue_id, TASK.c.state, number).group_by(TASK.c.queue_id, TASK.c.state)
    # There is an index of just the tasks that have an `ask_at`.
    waits = (
        select(TASK.c.due_for, number, func.min(TASK.c.due_at))
        .where(TASK.c.ask_at.isnot(None))
        .group_by(TASK.c.due_for)
    )
    kinds = select(FINDING.c.category, FINDING.c.kind, func.sum(FINDING.c.count))
    found = kinds.group_by(FINDING.c.category, FINDING.c.kind)
    waiting = connection.execute(waits).all()
    return (
        {(queue or "", state): count for queue, state, count in connection.execute(tasks)},
        {(purpose,): count for purpose, count, _ in waiting},
        {(purpose,): at for purpose, _, at in waiting},
        {(category, kind): count for category, kind, count in connection.execute(found)},
        connection.execute(outbox()).all(),
    )


def _gauge(name: str, text: str, labels: tuple[str, ...], values: Counts) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"callback_{name}", text, labels=labels)
    for label_values, value in values.items():
        family.add_metric(list(label_values), value)
    return family
