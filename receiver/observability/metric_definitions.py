"""Every metric of the receiver, declared here and nowhere else: metrics.py keeps them, dashboards, rules and
`receiver check` are held against this list. Labels are bounded: no task id, number or URL is ever one, and
queues beyond the first 50 are `other`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
    *("outcome", "message", "posting"),
)
"""What is deleted when it is too old; `set_aside`: deliveries that name no task."""

PIPELINE_STAGES = ("durable", "reconciled", "delivered")
WAITS = ("read", "fold", "find", "progress", "confirm", "call", "settle")
"""What hooks (`read`) and tasks wait for; `fold`: there are facts that their timelines do not hold yet."""

FINISH_RESULTS = ("success", "failed", "unknown")
DELIVERY_OUTCOMES = ("delivered", "failed", "dead", "dropped")

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_CONNECT_SECONDS = (10, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400)
_DELIVERY_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
_END_TO_END_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 900, 3600, 14400, 86400)
_LAG_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 15, 60, 300, 900, 3600)


@dataclass(frozen=True, slots=True)
class Declared:
    """A metric. `name`: without the prefix, and of a counter without `_total`; `bounds`: upper ends of the
    buckets of a histogram; `known`: for each label its values, where all of them are known: these label sets
    begin at 0.
    """

    name: str
    kind: Kind
    about: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    known: tuple[tuple[str, ...], ...] = ()

    @property
    def exposed(self) -> str:
        """Its name as a scrape has it."""
        suffix = {"counter": "_total", "info": "_info"}.get(self.kind, "")
        return f"{PREFIX}{self.name}{suffix}"

    @property
    def samples(self) -> tuple[str, ...]:
        """The names of its time series."""
        if self.kind == "histogram":
            return tuple(f"{self.exposed}_{part}" for part in ("bucket", "sum", "count"))
        return (self.exposed,)

    def label_sets(self) -> Iterator[tuple[str, ...]]:
        """Those that are known from the beginning."""
        return product(*self.known) if self.known else iter(())


def _intake() -> Iterator[Declared]:
    yield Declared(
        "intake_requests",
        "counter",
        "Requests on the hook listener: `recorded`: on disk; `refused`: not authentic, or ended early; "
        "`malformed`: not valid HTTP; `unavailable`: could not be stored.",
        ("event", "outcome"),
        known=((*EVENTS, "unknown"), INTAKE_OUTCOMES),
    )
    about = "Refused and malformed requests, by what of them did not fit; see `receiver capture --refused`."
    yield Declared("intake_refused", "counter", about, ("part",), known=(PARTS,))
    yield Declared(
        "intake_request_duration_seconds",
        "histogram",
        "From the first byte of a request to its answer, requests that are not refused.",
        bounds=_SECONDS,
    )
    yield Declared("intake_in_flight_requests", "gauge", "Hook requests being served now.")
    yield Declared("intake_connections", "gauge", "Open connections to the hook listener.")
    yield Declared(
        "intake_connections_closed",
        "counter",
        "Connections that the hook listener closed by itself. `limit`: to make room for a new one; "
        "`head_timeout`, `body_timeout`: a request came too slowly; `idle_timeout`: nothing came; "
        "`unread_timeout`: answers were not read.",
        ("reason",),
        known=(CLOSING_REASONS,),
    )
    yield Declared(
        "intake_batch_size",
        "histogram",
        "Hooks committed together.",
        bounds=(1, 2, 5, 10, 20, 50, 100, 200, 500),
    )
    yield Declared(
        "intake_wait_seconds",
        "histogram",
        "How long the first of a batch waited for its commit to begin.",
        bounds=_SECONDS,
    )
    yield Declared("intake_commit_seconds", "histogram", "Duration of commits.", bounds=_SECONDS)
    yield Declared(
        "intake_payload_bytes",
        "histogram",
        "Size of hook bodies.",
        bounds=(0, 256, 512, 1024, 4096, 16384, 65536, 262144),
    )


def _pipeline() -> Iterator[Declared]:
    yield Declared(
        "pipeline_lag_seconds",
        "histogram",
        "From a hook's arrival until it is durable; from a task's end until the API has confirmed it; "
        "from the fact that made a message until it is delivered.",
        ("stage",),
        _LAG_SECONDS,
        (PIPELINE_STAGES,),
    )
    yield Declared(
        "hooks_read",
        "counter",
        "Hooks taken out of the inbox: `read`; `unreadable`: the task is known, the content could not be "
        "read; `set_aside`: names no task, or could not be read because of a fault of ours; `doubled`: "
        "was in the ledger already.",
        ("event", "outcome"),
        known=((*EVENTS, "unknown"), READ_OUTCOMES),
    )
    yield Declared("inbox_bytes", "gauge", "Bytes of hooks in the inbox, which are not read yet.")
    yield Declared(
        "set_aside",
        "gauge",
        "Hooks that could not be read and tasks that could not be folded because of a fault of ours; they "
        "are tried again automatically.",
        ("kind",),
        known=(SET_ASIDE_KINDS,),
    )
    yield Declared(
        "pipeline_backlog",
        "gauge",
        "Hooks that wait to be read, and tasks that wait, by what they wait for.",
        ("stage",),
        known=(WAITS,),
    )
    yield Declared(
        "pipeline_oldest_pending_age_seconds",
        "gauge",
        "How long the longest wait is overdue; of `read` and `fold` its age.",
        ("stage",),
        known=(WAITS,),
    )
    yield Declared("fold_failures", "counter", "Failed attempts to fold a task; the task is set aside.")
    yield Declared(
        "anomalies", "counter", "Facts that did not fit, by kind.", ("kind",), known=(ANOMALY_KINDS,)
    )
    yield Declared("findings", "gauge", "Findings that stand, by category and kind.", ("category", "kind"))


def _lifecycle() -> Iterator[Declared]:
    yield Declared("tasks", "gauge", "Tasks by queue and state.", ("queue", "state"))
    yield Declared(
        "tasks_opened", "counter", "Tasks that have begun, by their first hook or by the API.", ("queue",)
    )
    yield Declared(
        "tasks_finished", "counter", "Tasks whose end the API has confirmed.", ("queue", "finish_result")
    )
    yield Declared(
        "task_attempts",
        "histogram",
        "Attempts per finished task.",
        ("finish_result",),
        (1, 2, 3, 4, 5, 7, 10, 20, 50),
        (FINISH_RESULTS,),
    )
    yield Declared(
        "task_time_to_connect_seconds",
        "histogram",
        "From a task's planned start to its first bridge, settled tasks.",
        ("queue",),
        _CONNECT_SECONDS,
    )


def _reconcile() -> Iterator[Declared]:
    yield Declared(
        "reconcile_sweeps",
        "counter",
        "Queues read through, by outcome; `partial`: but for records that could not be read.",
        ("outcome",),
        known=(("complete", "partial", "failed"),),
    )
    about = "Records of the scheduler's lists that could not be read and were passed over."
    yield Declared("scheduler_broken_records", "counter", about, ("kind",), known=(("task", "queue"),))
    yield Declared(
        "drift",
        "counter",
        "Disagreements between hooks and API in settled tasks.",
        ("kind",),
        known=(DRIFT_KINDS,),
    )
    yield Declared(
        "lost_hooks", "counter", "Hooks that had to come and did not.", ("event",), known=(EVENTS,)
    )
    about = "Hooks that had to come, settled tasks; none that is suspected to be lost."
    yield Declared("expected_hooks", "counter", about, ("event",), known=(EVENTS,))
    yield Declared("reconcile_oldest_due_age_seconds", "gauge", "Age of the longest wait for the API.")
    yield Declared(
        "reconcile_last_success_timestamp_seconds",
        "gauge",
        "When a pass of reconciliation last ended without failure.",
        ("account",),
    )
    yield Declared(
        "scheduler_api_requests",
        "counter",
        "Requests to the scheduler's API.",
        ("operation", "outcome"),
    )
    yield Declared(
        "scheduler_api_request_duration_seconds",
        "histogram",
        "Duration of API requests.",
        ("operation",),
        _SECONDS,
    )
    yield Declared("scheduler_api_quota_remaining", "gauge", "Calls left in this hour.", ("account",))
    yield Declared(
        "scheduler_clock_offset_seconds",
        "gauge",
        "How far the scheduler's clock is ahead of ours, by the Date of its answers.",
        ("account",),
    )


def _deliver() -> Iterator[Declared]:
    by = ("subscription",)
    yield Declared(
        "delivery_attempts",
        "counter",
        "Attempts to deliver a message, by what came of them; `dropped`: none was made.",
        (*by, "outcome"),
    )
    yield Declared(
        "delivery_duration_seconds", "histogram", "Duration of attempts to deliver.", by, _DELIVERY_SECONDS
    )
    yield Declared(
        "delivery_end_to_end_seconds",
        "histogram",
        "From the fact that made a message to its delivery.",
        by,
        _END_TO_END_SECONDS,
    )
    yield Declared("delivery_pending", "gauge", "Messages to be delivered.", by)
    yield Declared("delivery_oldest_pending_age_seconds", "gauge", "Age of the oldest of them.", by)
    yield Declared("delivery_dead_letters", "gauge", "Dead letters.", by)
    yield Declared("subscription_state", "gauge", "1 for the state it is in.", (*by, "state"))


def _itself() -> Iterator[Declared]:
    yield Declared("build", "info", "Version of the receiver.", ("version", "python"))
    yield Declared("store_log_bytes", "gauge", "Size of SQLite's write-ahead log; 0 on PostgreSQL.")
    yield Declared("worker_restarts", "counter", "Workers started again after a failure.", ("worker",))
    yield Declared("lease_held", "gauge", "Whether this receiver holds the lease.", ("lease",))
    yield Declared(
        "snapshot_last_success_timestamp_seconds", "gauge", "When what the tables hold was last counted."
    )
    yield Declared("snapshot_failures", "counter", "Refreshes of the scraped snapshot that failed.")
    yield Declared(
        "retention_deleted", "counter", "Rows deleted as too old.", ("kind",), known=(RETENTION_KINDS,)
    )
    yield Declared(
        "event_loop_lag_seconds",
        "gauge",
        "How much later than asked the event loop woke us, the worst of the last 15 seconds.",
    )


CATALOGUE: Mapping[str, Declared] = {
    each.name: each
    for area in (_intake, _pipeline, _lifecycle, _reconcile, _deliver, _itself)
    for each in area()
}
"""Name → the metric, in the order of the way through the house."""
