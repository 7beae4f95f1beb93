"""The metrics of one process, by their definitions; known label sets begin at 0."""

import platform
from importlib.metadata import version
from typing import Any, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from receiver.observability.fast_histogram import FastHistogram
from receiver.observability.metric_definitions import (
    DELIVERY_OUTCOMES,
    FINISH_RESULTS,
    METRICS,
    PIPELINE_STAGES,
    PREFIX,
)
from receiver.observability.traces import Traces

Added = TypeVar("Added", Counter, Gauge, Histogram)

_QUEUE_LIMIT = 50


class Metrics:
    """The metrics of one process, in a registry of their own. `traces`: None if no spans are exported."""

    def __init__(self, traces: Traces | None = None) -> None:
        self.traces = traces
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._queues: set[str] = set()
        self._intake()
        self._lifecycle()
        self._reconcile()
        self._deliver()
        self._itself()

    def queue_label(self, queue_id: str | None) -> str:
        """Return the queue's id for the first 50 queues, `other` for more; `unknown` for None."""
        if queue_id is None:
            return "unknown"
        if queue_id not in self._queues and len(self._queues) < _QUEUE_LIMIT:
            self._queues.add(queue_id)
        return queue_id if queue_id in self._queues else "other"

    def intake_answered(self, event: str, outcome: str) -> None:
        """Count an answer to a hook, without a look-up of labels: this is the hot path."""
        self._answered[event, outcome].inc()

    def expect_queue(self, label: str) -> None:
        """Start the queue's counters at 0, so that the first increase is seen."""
        self.tasks_opened.labels(label)
        self.time_to_connect.labels(label)
        for result in FINISH_RESULTS:
            self.tasks_finished.labels(label, result)

    def expect_subscription(self, subscription: str) -> None:
        """Start its counters at 0, so that the first increase is seen."""
        self.delivery_duration.labels(subscription)
        self.delivery_end_to_end.series(subscription)
        for outcome in DELIVERY_OUTCOMES:
            self.delivery_attempts.labels(subscription, outcome)

    def _intake(self) -> None:
        self.intake_requests = self._counter("intake_requests")
        known = METRICS["intake_requests"].label_sets()
        self._answered = {labels: self.intake_requests.labels(*labels) for labels in known}
        self.intake_refused = self._counter("intake_refused")
        self.intake_duration = self._fast_histogram("intake_request_duration_seconds").series()
        self.hooks_in_flight = 0
        self._gauge("intake_in_flight_requests").set_function(lambda: self.hooks_in_flight)
        self.connections = 0
        self._gauge("intake_connections").set_function(lambda: self.connections)
        self.connections_closed = self._counter("intake_connections_closed")
        self.hooks_read = self._counter("hooks_read")
        self.intake_batch_size = self._histogram("intake_batch_size")
        self.intake_wait = self._histogram("intake_wait_seconds")
        self.intake_commit = self._histogram("intake_commit_seconds")
        self.intake_payload = self._fast_histogram("intake_payload_bytes").series()
        lag = self._fast_histogram("pipeline_lag_seconds")
        self.durable_lag, self.reconciled_lag, self.delivered_lag = map(lag.series, PIPELINE_STAGES)
        self.fold_failures = self._counter("fold_failures")

    def _lifecycle(self) -> None:
        self.tasks_opened = self._counter("tasks_opened")
        self.tasks_finished = self._counter("tasks_finished")
        self.task_attempts = self._histogram("task_attempts")
        self.time_to_connect = self._histogram("task_time_to_connect_seconds")
        self.anomalies = self._counter("anomalies")

    def _reconcile(self) -> None:
        self.sweeps = self._counter("reconcile_sweeps")
        self.broken_records = self._counter("scheduler_broken_records")
        self.drift = self._counter("drift")
        self.lost_hooks = self._counter("lost_hooks")
        self.expected_hooks = self._counter("expected_hooks")
        self.last_sweep = self._gauge("reconcile_last_success_timestamp_seconds")
        self.api_requests = self._counter("scheduler_api_requests")
        self.api_duration = self._histogram("scheduler_api_request_duration_seconds")
        self.api_quota = self._gauge("scheduler_api_quota_remaining")
        self.api_clock = self._gauge("scheduler_clock_offset_seconds")

    def _deliver(self) -> None:
        self.delivery_attempts = self._counter("delivery_attempts")
        self.delivery_duration = self._histogram("delivery_duration_seconds")
        self.delivery_end_to_end = self._fast_histogram("delivery_end_to_end_seconds")

    def _itself(self) -> None:
        metric = METRICS["build"]
        build = Info(f"{PREFIX}{metric.name}", metric.help, registry=self.registry)
        build.info({"version": version("receiver"), "python": platform.python_version()})
        self.store_log = self._gauge("store_log_bytes")
        self.worker_restarts = self._counter("worker_restarts")
        self.lease_held = self._gauge("lease_held")
        self.snapshot_failures = self._counter("snapshot_failures")
        self.retention_deleted = self._counter("retention_deleted")
        self.loop_lag = self._gauge("event_loop_lag_seconds")

    def _counter(self, name: str) -> Counter:
        return self._add(Counter, name)

    def _gauge(self, name: str) -> Gauge:
        return self._add(Gauge, name)

    def _histogram(self, name: str) -> Histogram:
        return self._add(Histogram, name, buckets=METRICS[name].bounds)

    def _add(self, kind: type[Added], name: str, **options: Any) -> Added:
        metric = METRICS[name]
        added = kind(f"{PREFIX}{name}", metric.help, metric.labels, registry=self.registry, **options)
        for labels in metric.label_sets():
            added.labels(*labels)
        return added

    def _fast_histogram(self, name: str) -> FastHistogram:
        metric = METRICS[name]
        share = self.traces.share if self.traces else 1.0
        label = "".join(metric.labels)
        histogram = FastHistogram(f"{PREFIX}{name}", metric.help, metric.bounds, label, share)
        self.registry.register(histogram)
        return histogram


class SnapshotCollector(Collector):
    """Yields the last snapshot of the tables, so that a scrape runs no SQL. Replace `families` as a whole."""

    def __init__(self) -> None:
        self.families: tuple[Metric, ...] = ()

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> tuple[Metric, ...]:
        return self.families
