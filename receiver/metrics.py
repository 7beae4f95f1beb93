"""Every metric of the receiver, declared in one place (prefix `callback_`). Labels are bounded: no task id,
number or URL is ever one, and queues beyond the first 50 are `other`.
"""

import platform
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from receiver.domain.facts import EVENTS
from receiver.domain.timeline import ANOMALY_KINDS, DRIFT_KINDS
from receiver.tally import Tally

INTAKE_OUTCOMES = ("recorded", "unreadable", "set_aside", "refused", "unavailable")
RETENTION_KINDS = (
    *("delivery", "set_aside", "task", "fact", "finding", "link"),
    *("outcome", "message", "posting"),
)
"""What is deleted when it is too old; `set_aside`: deliveries that name no task."""

PIPELINE_STAGES = ("durable", "reconciled", "delivered")

_QUEUE_LIMIT = 50
_DELIVERY_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
_END_TO_END_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 900, 3600, 14400, 86400)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """One process's metrics in a registry of their own; known label sets begin at 0."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._queues: set[str] = set()
        self._intake()
        self._lifecycle()
        self._reconcile()
        self._deliver()
        self._itself()

    def queue_label(self, queue_id: str | None) -> str:
        """The queue's id while there are few queues, `other` beyond; `unknown` where there is none."""
        if queue_id is None:
            return "unknown"
        if queue_id not in self._queues and len(self._queues) < _QUEUE_LIMIT:
            self._queues.add(queue_id)
        return queue_id if queue_id in self._queues else "other"

    def intake_answered(self, event: str, outcome: str) -> None:
        """Count an answer to a hook; on the hot path, hence without a look-up of labels."""
        self._answered[event, outcome].inc()

    def _intake(self) -> None:
        self.intake_requests = self._counter("intake_requests", "Requests to hook URLs.", "event", "outcome")
        known = [(event, outcome) for event in EVENTS for outcome in INTAKE_OUTCOMES]
        self._answered = {
            labels: self.intake_requests.labels(*labels) for labels in [*known, ("unknown", "refused")]
        }
        self.intake_duration = self._tally(
            "intake_request_duration_seconds", "From the request's first byte read to its answer.", _SECONDS
        ).series()
        self.hooks_in_flight = 0
        in_flight = Gauge(
            "callback_intake_in_flight_requests", "Hook requests being served now.", registry=self.registry
        )
        in_flight.set_function(lambda: self.hooks_in_flight)
        self.intake_batch_size = self._histogram(
            "intake_batch_size", "Submissions committed together.", (1, 2, 5, 10, 20, 50, 100, 200, 500)
        )
        self.intake_wait = self._histogram(
            "intake_wait_seconds", "How long the first of a batch waited for its commit to begin.", _SECONDS
        )
        self.intake_commit = self._histogram("intake_commit_seconds", "Duration of commits.", _SECONDS)
        self.fold_failures = self._counter(
            "fold_failures", "Facts that could not be folded and are set aside."
        )
        self.intake_payload = self._tally(
            "intake_payload_bytes", "Size of hook bodies.", (0, 256, 512, 1024, 4096, 16384, 65536, 262144)
        ).series()

    def _lifecycle(self) -> None:
        self.tasks_opened = self._counter("tasks_opened", "Tasks first heard of.", "queue")
        self.tasks_finished = self._counter(
            "tasks_finished", "Tasks whose end the API has confirmed.", "queue", "finish_result"
        )
        self.task_attempts = self._histogram(
            "task_attempts", "Attempts per finished task.", (1, 2, 3, 4, 5, 7, 10, 20, 50), "finish_result"
        )
        self.time_to_connect = self._histogram(
            "task_time_to_connect_seconds",
            "From a task's planned start to its first bridge, settled tasks.",
            (10, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400),
            "queue",
        )
        self.anomalies = self._counter("anomalies", "Facts that did not fit, by kind.", "kind")
        for kind in ANOMALY_KINDS:
            self.anomalies.labels(kind)

    def _reconcile(self) -> None:
        self.sweeps = self._counter("reconcile_sweeps", "Queues read through, by outcome.", "outcome")
        for outcome in ("complete", "failed"):
            self.sweeps.labels(outcome)
        self.drift = self._counter("drift", "Disagreements between hooks and API in settled tasks.", "kind")
        for kind in DRIFT_KINDS:
            self.drift.labels(kind)
        self.lost_hooks = self._counter("lost_hooks", "Hooks that had to come and did not.", "event")
        self.expected_hooks = self._counter(
            "expected_hooks", "Hooks that had to come, settled tasks.", "event"
        )
        for event in EVENTS:
            self.lost_hooks.labels(event)
            self.expected_hooks.labels(event)
        self.last_sweep = Gauge(
            "callback_reconcile_last_success_timestamp_seconds",
            "When a pass of reconciliation last ended without failure.",
            ["account"],
            registry=self.registry,
        )
        self.api_requests = self._counter(
            "scheduler_api_requests", "Requests to the scheduler's API.", "operation", "outcome"
        )
        self.api_duration = self._histogram(
            "scheduler_api_request_duration_seconds", "Duration of API requests.", _SECONDS, "operation"
        )
        self.api_quota = Gauge(
            "callback_scheduler_api_quota_remaining",
            "Calls left in this hour.",
            ["account"],
            registry=self.registry,
        )

    def _deliver(self) -> None:
        self.delivery_attempts = self._counter(
            "delivery_attempts",
            "Attempts to deliver a message, by what came of them.",
            "subscription",
            "outcome",
        )
        self.delivery_duration = self._histogram(
            "delivery_duration_seconds", "Duration of attempts to deliver.", _DELIVERY_SECONDS, "subscription"
        )
        self.delivery_end_to_end = self._histogram(
            "delivery_end_to_end_seconds",
            "From the fact that made a message to its delivery.",
            _END_TO_END_SECONDS,
            "subscription",
        )

    def _itself(self) -> None:
        build = Info("callback_build", "Version of the receiver.", registry=self.registry)
        build.info({"version": version("receiver"), "python": platform.python_version()})
        pipeline_lag = self._tally(
            "pipeline_lag_seconds",
            "From a hook's arrival until it is durable; from a task's end until the API has confirmed it; "
            "from the fact that made a message until it is delivered.",
            (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 15, 60, 300, 900, 3600),
            "stage",
        )
        self.durable_lag, self.reconciled_lag, self.delivered_lag = map(pipeline_lag.series, PIPELINE_STAGES)
        self.worker_restarts = self._counter(
            "worker_restarts", "Workers started again after a failure.", "worker"
        )
        self.lease_held = Gauge(
            "callback_lease_held", "Whether this receiver holds the lease.", ["lease"], registry=self.registry
        )
        self.snapshot_failures = self._counter(
            "snapshot_failures", "Refreshes of the scraped snapshot that failed."
        )
        self.retention_deleted = self._counter("retention_deleted", "Rows deleted as too old.", "kind")
        for kind in RETENTION_KINDS:
            self.retention_deleted.labels(kind)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"callback_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"callback_{name}", text, labels, buckets=buckets, registry=self.registry)

    def _tally(self, name: str, text: str, bounds: tuple[float, ...], label: str = "") -> Tally:
        tally = Tally(f"callback_{name}", text, bounds, label)
        self.registry.register(tally)
        return tally


class SnapshotCollector(Collector):
    """Yields metrics that somebody else computed: a scrape runs no SQL. `families` is replaced as a whole."""

    def __init__(self) -> None:
        self.families: tuple[Metric, ...] = ()

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> tuple[Metric, ...]:
        return self.families
