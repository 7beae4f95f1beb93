"""The timeline of one task: the result of a fold."""

from collections.abc import Iterable
from typing import Literal

from receiver.domain.attempt_bounds import AttemptBounds
from receiver.domain.attempts import Attempt
from receiver.domain.expected_hooks import HookCounts
from receiver.domain.facts import CallRecord, TaskSnapshot
from receiver.domain.fields import call_key
from receiver.domain.frozen_record import frozen_record
from receiver.domain.numbers import REGION
from receiver.domain.reasons import Verdict

Category = Literal["lost_hook", "suspected_hook", "drift", "anomaly"]
Purpose = Literal["find", "progress", "confirm", "call", "settle"]

DRIFT_KINDS = ("result", "cdr", "attempts", "gone", "silent")
ANOMALY_KINDS = ("misfit", "unreadable", "clock_skew", "late", "shared_ref", "crowded", "failed_early")


@frozen_record
class Finding:
    """Faults of one kind and their number. The kind of a lost or suspected hook is its event."""

    category: Category
    kind: str
    count: int = 1
    detail: str = ""


@frozen_record
class Due:
    """The time from which asking the API is useful: `at` (epoch seconds) plus a margin for the purpose.

    `find`: the API has not shown the task yet; lists may hide it once it has finished. `progress`: by its
    plan, the task should have moved. `confirm`: hooks report the end, the API does not yet. `call`: a call's
    record is missing. `settle`: everything is known, but late hooks may still come.
    """

    at: float
    purpose: Purpose


@frozen_record
class Timeline:
    """One task. Times are epoch seconds, UTC.

    `claimed_id`: the vendor's id that the hooks claim. `missing_calls`: calls that have no record yet.
    `verdict`: the task's result and its reason. `region`: the country of numbers without a country code.
    `a_number`, `b_number`, `planned_at`: by the API, or else as the hooks claim. `crowding`: CROWDED, FROZEN
    or 0 (see `receiver.domain.task_facts`).
    """

    account: str
    ref: str | None
    task_id: str | None
    queue_id: str | None
    claimed_id: str | None
    state: str
    finish_result: str | None
    confidence: str
    gone: bool
    attempt_bounds: AttemptBounds
    settled: bool
    plan: TaskSnapshot | None
    cdr: str | None
    first_at: float
    last_at: float
    finished_at: float | None
    hooks: HookCounts
    findings: tuple[Finding, ...]
    calls: tuple[CallRecord, ...]
    missing_calls: tuple[str, ...]
    attempts: tuple[Attempt, ...]
    verdict: Verdict
    crowding: int
    region: str = REGION
    a_number: str | None = None
    b_number: str | None = None
    planned_at: float | None = None

    @property
    def last_call(self) -> CallRecord | None:
        """Return the record of the task's latest call, if call history has one."""
        return latest_call(self.calls, self.cdr)

    @property
    def connected_at(self) -> float | None:
        """Return when A and B were first connected, by call history."""
        return min((call.bridged_at for call in self.calls if call.bridged_at is not None), default=None)

    @property
    def key(self) -> str:
        """Return the name under which the task is stored: our ref, or else `#` and the vendor's id."""
        return self.ref or f"#{self.task_id}"

    @property
    def due(self) -> Due | None:
        """Return when and why to ask the API about the task; None if everything is known.

        Also None for a crowded task, since the answer would not be folded. Missing calls do not keep a task
        from being settled: their records may come later.
        """
        if self.crowding or self.state == "withdrawn":
            return None
        if self.confidence == "reconciled" or self.gone:
            if self.missing_calls:
                return Due(self.last_at, "call")
            return None if self.settled else Due(self.finished_at or self.last_at, "settle")
        if self.settled:
            return None
        if self.state == "finished":
            return Due(self.finished_at or self.last_at, "confirm")
        return Due(self._next_step_at, "progress" if self.task_id else "find")

    @property
    def _next_step_at(self) -> float:
        plan = self.plan
        if self.state in ("new", "scheduled"):
            return max(self.first_at, plan.start_at or 0.0) if plan else self.first_at
        pause = plan.pause if plan and plan.pause and self.state == "delayed" else 0.0
        return self.last_at + pause


def latest_call(calls: Iterable[CallRecord], cdr: str | None) -> CallRecord | None:
    """Return the record of the call that `cdr` names, or else of the latest call."""
    found = [call for call in calls if call.found]
    named = [call for call in found if call_key(call.call) == call_key(cdr)]
    return named[0] if named else max(found, key=lambda call: call.init_at or 0.0, default=None)
