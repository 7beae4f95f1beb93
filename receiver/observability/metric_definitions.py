"""Definitions of all metrics. Dashboards, alert rules, the manual and `receiver check` follow this list.

Labels are bounded: task ids, numbers and URLs are never labels, and queues after the first 50 are `other`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Literal

from receiver.domain.facts import EVENTS
from receiver.domain.hooks import PARTS
from receiver.domain.timeline import ANOMALY_KINDS, DRIFT_KINDS

PREFIX = "callback_"

Kind = Literal["counter", "gauge", "histogram", "info"]

INTAKE_OUTCOMES = ("recorded", "refused", "malformed", "unavailable")
READ_OUTCOMES = ("read", "unreadable", "set_aside", "doubled")
CLOSING_REASONS = ("limit", "head_timeout", "body_timeout", "idle_timeout", "unread_timeout")
SET_ASIDE_KINDS = ("hook", "task")
RETENTION_KINDS = (
    *("delivery", "set_aside", "task", "fact", "finding", "link"),
    *("outcome", "message", "posting", "audit"),
)
"""Kinds of rows that retention deletes; `set_aside`: deliveries that name no task."""

PIPELINE_STAGES = ("durable", "reconciled", "delivered")
WAITS = ("read", "fold", "find", "progress", "confirm", "call", "settle")
"""Stages that hooks (`read`) and tasks wait for; `fold`: new facts are not in the timeline yet."""

FINISH_RESULTS = ("success", "failed", "unknown")
DELIVERY_OUTCOMES = ("delivered", "failed", "dead", "dropped")

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_CONNECT_SECONDS = (10, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400)
_DELIVERY_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
_END_TO_END_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 900, 3600, 14400, 86400)
_LAG_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 15, 60, 300, 900, 3600)


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """A metric. `name`: without the prefix and without a counter's `_total`; `bounds`: upper ends of a
    histogram's buckets; `known`: the values of each label, if all are known; these label sets begin at 0.
    """

    kind: Kind
    name: str
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    known: tuple[tuple[str, ...], ...] = ()

    @property
    def exposed(self) -> str:
        """Return the name in a scrape."""
        suffix = {"counter": "_total", "info": "_info"}.get(self.kind, "")
        return f"{PREFIX}{self.name}{suffix}"

    @property
    def samples(self) -> tuple[str, ...]:
        """Return the names of its time series."""
        if self.kind == "histogram":
            return tuple(f"{self.exposed}_{part}" for part in ("bucket", "sum", "count"))
        return (self.exposed,)

    def label_sets(self) -> Iterator[tuple[str, ...]]:
        """Return the known label sets."""
        return product(*self.known) if self.known else iter(())


_counter = partial(MetricDefinition, "counter")
_gauge = partial(MetricDefinition, "gauge")
_histogram = partial(MetricDefinition, "histogram")

_INTAKE = (
    _counter(
        "intake_requests",
        "Requests on the hook listener by outcome. `recorded`: on disk; `refused`: not authentic, or "
        "incomplete; `malformed`: not valid HTTP; `unavailable`: the store did not accept it.",
        ("event", "outcome"),
        known=((*EVENTS, "unknown"), INTAKE_OUTCOMES),
    ),
    _counter(
        "intake_refused",
        "Refused and malformed requests by the invalid part. See `receiver capture --refused`.",
        ("part",),
        known=(PARTS,),
    ),
    _histogram(
        "intake_request_duration_seconds",
        "Time from the first byte of a request to its answer. Refused requests do not count.",
        bounds=_SECONDS,
    ),
    _gauge("intake_in_flight_requests", "Hook requests in progress."),
    _gauge("intake_connections", "Open connections to the hook listener."),
    _counter(
        "intake_connections_closed",
        "Connections that the hook listener closed by reason. `limit`: to make room for a new connection; "
        "`head_timeout`, `body_timeout`: the request was too slow; `idle_timeout`: no request; "
        "`unread_timeout`: the client did not read its answers.",
        ("reason",),
        known=(CLOSING_REASONS,),
    ),
    _histogram("intake_batch_size", "Hooks per commit.", bounds=(1, 2, 5, 10, 20, 50, 100, 200, 500)),
    _histogram(
        "intake_wait_seconds",
        "Time from the first hook of a batch to the start of its commit.",
        bounds=_SECONDS,
    ),
    _histogram("intake_commit_seconds", "Duration of commits.", bounds=_SECONDS),
    _histogram(
        "intake_payload_bytes", "Size of hook bodies.", bounds=(0, 256, 512, 1024, 4096, 16384, 65536, 262144)
    ),
)

_PIPELINE = (
    _histogram(
        "pipeline_lag_seconds",
        "Latency by stage. `durable`: from a hook's arrival to its commit; `reconciled`: from a task's end "
        "to its confirmation by the API; `delivered`: from the fact behind a message to its delivery.",
        ("stage",),
        _LAG_SECONDS,
        (PIPELINE_STAGES,),
    ),
    _counter(
        "hooks_read",
        "Hooks read from the inbox by outcome. `read`: recorded as a fact; `unreadable`: known task, "
        "unreadable content; `set_aside`: names no task, or failed by an internal error; `doubled`: "
        "already in the ledger.",
        ("event", "outcome"),
        known=((*EVENTS, "unknown"), READ_OUTCOMES),
    ),
    _gauge("inbox_bytes", "Bytes of unread hooks in the inbox."),
    _gauge(
        "set_aside",
        "Hooks that could not be read and tasks that could not be folded. They are retried automatically.",
        ("kind",),
        known=(SET_ASIDE_KINDS,),
    ),
    _gauge(
        "pipeline_backlog",
        "Waiting hooks (`read`) and tasks by the stage that they wait for.",
        ("stage",),
        known=(WAITS,),
    ),
    _gauge(
        "pipeline_oldest_pending_age_seconds",
        "Longest overdue time by stage; for `read` and `fold` the longest waiting time.",
        ("stage",),
        known=(WAITS,),
    ),
    _counter("fold_failures", "Failed attempts to fold a task, which is then set aside."),
    _counter(
        "anomalies", "Facts that contradict a task's timeline by kind.", ("kind",), known=(ANOMALY_KINDS,)
    ),
    _gauge("findings", "Current findings by category and kind.", ("category", "kind")),
)

_LIFECYCLE = (
    _gauge("tasks", "Tasks by queue and state.", ("queue", "state")),
    _counter("tasks_opened", "Tasks that have begun, by a first hook or by the API.", ("queue",)),
    _counter("tasks_finished", "Tasks whose end the API has confirmed.", ("queue", "finish_result")),
    _histogram(
        "task_attempts",
        "Attempts per finished task.",
        ("finish_result",),
        (1, 2, 3, 4, 5, 7, 10, 20, 50),
        (FINISH_RESULTS,),
    ),
    _histogram(
        "task_time_to_connect_seconds",
        "Time from the planned start of a settled task to its first connection.",
        ("queue",),
        _CONNECT_SECONDS,
    ),
)

_RECONCILE = (
    _counter(
        "reconcile_sweeps",
        "Sweeps of queues by outcome. `partial`: some records could not be read.",
        ("outcome",),
        known=(("complete", "partial", "failed"),),
    ),
    _counter(
        "scheduler_broken_records",
        "Unreadable records in the scheduler's lists, which were skipped.",
        ("kind",),
        known=(("task", "queue"),),
    ),
    _counter(
        "drift", "Disagreements between hooks and API in settled tasks.", ("kind",), known=(DRIFT_KINDS,)
    ),
    _counter("lost_hooks", "Expected hooks that did not arrive.", ("event",), known=(EVENTS,)),
    _counter(
        "expected_hooks",
        "Expected hooks of settled tasks, without those that are only suspected to be lost.",
        ("event",),
        known=(EVENTS,),
    ),
    _gauge("reconcile_oldest_due_age_seconds", "Longest overdue time of a question to the API."),
    _gauge(
        "reconcile_last_success_timestamp_seconds",
        "Time of the last pass of reconciliation without failure.",
        ("account",),
    ),
    _counter("scheduler_api_requests", "Requests to the scheduler's API.", ("operation", "outcome")),
    _histogram(
        "scheduler_api_request_duration_seconds",
        "Duration of requests to the scheduler's API.",
        ("operation",),
        _SECONDS,
    ),
    _gauge("scheduler_api_quota_remaining", "Remaining API requests of this hour.", ("account",)),
    _gauge(
        "scheduler_clock_offset_seconds",
        "Seconds that the scheduler's clock is ahead of ours, by the Date of its answers.",
        ("account",),
    ),
)

_DELIVERY = (
    _counter(
        "delivery_attempts",
        "Attempts to deliver a message by outcome. `dropped`: the message was not sent.",
        ("subscription", "outcome"),
    ),
    _histogram(
        "delivery_duration_seconds", "Duration of attempts to deliver.", ("subscription",), _DELIVERY_SECONDS
    ),
    _histogram(
        "delivery_end_to_end_seconds",
        "Time from the fact behind a message to its delivery.",
        ("subscription",),
        _END_TO_END_SECONDS,
    ),
    _gauge("delivery_pending", "Undelivered messages.", ("subscription",)),
    _gauge(
        "delivery_oldest_pending_age_seconds", "Age of the oldest undelivered message.", ("subscription",)
    ),
    _gauge("delivery_dead_letters", "Dead letters.", ("subscription",)),
    _gauge("subscription_state", "1 for the current state, 0 for others.", ("subscription", "state")),
)

_PROCESS = (
    MetricDefinition("info", "build", "Version of the receiver.", ("version", "python")),
    _gauge("store_log_bytes", "Size of SQLite's write-ahead log; 0 on PostgreSQL."),
    _counter("worker_restarts", "Restarts of workers after a failure.", ("worker",)),
    _gauge("lease_held", "1 if this receiver holds the lease, else 0.", ("lease",)),
    _gauge("snapshot_last_success_timestamp_seconds", "Time of the last count of the tables."),
    _counter("snapshot_failures", "Failed counts of the tables."),
    _counter("retention_deleted", "Rows deleted by retention.", ("kind",), known=(RETENTION_KINDS,)),
    _gauge("event_loop_lag_seconds", "Longest delay of the event loop in the last 15 seconds."),
)

METRICS: Mapping[str, MetricDefinition] = {
    metric.name: metric for metric in (*_INTAKE, *_PIPELINE, *_LIFECYCLE, *_RECONCILE, *_DELIVERY, *_PROCESS)
}
"""Name → metric, in the order of a hook's way."""
