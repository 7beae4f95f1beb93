"""The timeline of one task: what its facts add up to."""

from collections.abc import Iterable, Mapping
from typing import Literal

from receiver.domain.attempt_bounds import AttemptBounds
from receiver.domain.attempts import Attempt
from receiver.domain.facts import CallRecord, TaskSnapshot
from receiver.domain.fields import call_key
from receiver.domain.frozen_record import frozen_record
from receiver.domain.numbers import REGION
from receiver.domain.results import Verdict

Category = Literal["lost_hook", "suspected_hook", "drift", "anomaly"]
Purpose = Literal["find", "progress", "confirm", "call", "settle"]

DRIFT_KINDS = ("result", "cdr", "attempts", "gone", "silent")
ANOMALY_KINDS = ("misfit", "unreadable", "clock_skew", "late", "shared_ref", "crowded", "failed_early")

CROWDED, FROZEN = 1, 2
"""Values of `Timeline.crowding`."""


@frozen_record
class Finding:
    """`count` things of one kind that are wrong; of a lost or suspected hook the kind is its event. `detail`
    is for people.
    """

    category: Category
    kind: str
    count: int = 1
    detail: str = ""


@frozen_record
class Due:
    """From `at` (epoch seconds) on, plus a margin that depends on the purpose, asking the API is worth while.

    `find`: only its hooks know the task, and it runs; once it has finished, lists may hide it. `progress`: by
    its plan it should have moved. `confirm`: it ended by its hooks, the API has not said so. `call`: a call's
    record is wanting. `settle`: all is known, but late hooks may still come.
    """

    at: float
    purpose: Purpose


@frozen_record
class Timeline:
    """All that is known of one task. Times are epoch seconds, UTC; hook counts go by event.

    `claimed_id`: the vendor's id as the hooks claim it. `word`: the vendor's own on the result; the API's, or
    else what a hook said. `lost`, `suspected`: hooks that had to come and did not; the latter may be among
    deliveries of no task. `missing_calls`: calls without a record so far. `attempts`: one by one;
    `verdict`: what the task came to. `region`: the country of numbers that are written without its code.
    `a_number`, `b_number`, `planned_at`: by the API, or else as the hooks claim them. `crowding`: CROWDED
    where there are more facts than are folded, FROZEN beyond the number up to which it is folded again,
    otherwise 0.
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
    word: str | None
    first_at: float
    last_at: float
    finished_at: float | None
    arrived: Mapping[str, int]
    duplicates: Mapping[str, int]
    expected: Mapping[str, int]
    lost: Mapping[str, int]
    suspected: Mapping[str, int]
    findings: tuple[Finding, ...]
    calls: tuple[CallRecord, ...]
    missing_calls: tuple[str, ...]
    flags: Mapping[str, tuple[str, ...]]
    attempts: tuple[Attempt, ...]
    verdict: Verdict
    crowding: int
    region: str = REGION
    a_number: str | None = None
    b_number: str | None = None
    planned_at: float | None = None

    @property
    def last_call(self) -> CallRecord | None:
        """The record of the task's latest call, where call history has one."""
        return latest_call(self.calls, self.cdr)

    @property
    def connected_at(self) -> float | None:
        """When the two were first connected, by call history."""
        return min((call.bridged_at for call in self.calls if call.bridged_at is not None), default=None)

    @property
    def key(self) -> str:
        """The name under which the task is kept: our ref, or `#` and the vendor's id where we have none."""
        return self.ref or f"#{self.task_id}"

    @property
    def due(self) -> Due | None:
        """When it is worth asking the API about the task, and what for; None once all is known, or where it
        is crowded: nothing that the API says would be folded. A task is settled without the records of calls
        that are wanting, and may hear of them later.
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
    """The record of the call that `cdr` names, or else of the latest one."""
    found = [call for call in calls if call.found]
    named = [call for call in found if call_key(call.call) == call_key(cdr)]
    return named[0] if named else max(found, key=lambda call: call.init_at or 0.0, default=None)
