"""The attempts of one task: when each began, whom it reached, and why it failed.

Hooks announce attempts, and call history has their calls. Of an attempt with neither only the number is
known. Calls and announcements are matched by time, since a hook may name the call before.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from receiver.domain.attempt_bounds import AttemptBounds
from receiver.domain.facts import CallRecord, TaskSnapshot
from receiver.domain.fields import call_key
from receiver.domain.frozen_record import frozen_record
from receiver.domain.reasons import Reasons, Verdict, is_bridged, judge, legs_of

_NEAR_S = 30.0
"""Maximum seconds between an announcement and a call of the same attempt, if half a pause is not more."""


@frozen_record
class Attempt:
    """One attempt of a task. Times: epoch seconds; durations: seconds; None: not known.

    `connected`: it made the task a success; None while it is under way, or if the result is not known.
    `bridged`, `a_answered`, `b_answered`: by the call's record; B is None if it was not dialed. `gap_s`:
    since the start of the attempt before. `verdict`: None while the attempt is under way.
    """

    number: int
    started_at: float | None
    call: str | None
    connected: bool | None
    bridged: bool | None
    a_answered: bool | None
    b_answered: bool | None
    verdict: Verdict | None
    gap_s: float | None
    talk_s: float | None
    total_s: float | None


@frozen_record
class TaskEnd:
    """How a task ended. `result`: success, failed, or None (not known). `is_over`: whether it has ended."""

    result: str | None
    is_over: bool
    comment: str | None = None
    cdr: str | None = None


@frozen_record
class AttemptEvidence:
    """Evidence of a task's attempts. `before`: time of the first `before` hook. `retry_hooks`: times at which
    further attempts were announced. `calls`: records of the task's calls. `state`: as users see it.
    """

    plan: TaskSnapshot | None
    bounds: AttemptBounds
    before: float | None
    retry_hooks: Sequence[float]
    calls: Sequence[CallRecord]
    end: TaskEnd
    state: str


class AttemptStart(NamedTuple):
    """When an attempt began, its call's record, and whether `before_again` announced it."""

    at: float
    call: CallRecord | None
    is_retry: bool


_FAILED = TaskEnd("failed", is_over=True)
_UNKNOWN = Verdict("unknown", None, "unknown")


def list_attempts(evidence: AttemptEvidence, reasons: Reasons) -> tuple[Attempt, ...]:
    """Return the attempts that the facts prove, in order."""
    starts = _numbered(evidence) if evidence.bounds.low else {}
    attempts = []
    before: float | None = None
    for number in range(1, evidence.bounds.low + 1):
        start = starts.get(number)
        attempts.append(_attempt(evidence, number, start, before, reasons))
        before = start.at if start else None
    return tuple(attempts)


def _attempt(
    evidence: AttemptEvidence, number: int, start: AttemptStart | None, before: float | None, reasons: Reasons
) -> Attempt:
    call = start.call if start else None
    a_number = evidence.plan.a_number if evidence.plan else None
    legs, end = legs_of(call, a_number, reasons.region), _end_of(evidence, number, call)
    return Attempt(
        number=number,
        started_at=start.at if start else None,
        call=call.call if call else None,
        connected=end.result == "success" if end and end.result else None,
        bridged=is_bridged(call) if call and legs.a is not None else None,
        a_answered=legs.a,
        b_answered=legs.b,
        verdict=_verdict(end, call, a_number, reasons) if end else None,
        gap_s=round(start.at - before, 3) if start and before is not None else None,
        talk_s=call.bridged_duration if call else None,
        total_s=call.duration if call else None,
    )


def _end_of(evidence: AttemptEvidence, number: int, call: CallRecord | None) -> TaskEnd | None:
    """Return how an attempt ended; None while it is under way. An attempt with a successor has failed."""
    if number < evidence.bounds.low:
        return _FAILED
    if evidence.end.is_over or evidence.end.result:
        return evidence.end
    return _FAILED if call and call.hangup_at is not None and not is_bridged(call) else None


def _verdict(end: TaskEnd, call: CallRecord | None, a_number: str | None, reasons: Reasons) -> Verdict:
    if end.result == "failed" and call is None and end.comment is None:
        return _UNKNOWN
    return judge(end.result, end.comment, call, a_number, reasons)


def _numbered(evidence: AttemptEvidence) -> Mapping[int, AttemptStart]:
    """Return number → start, of the attempts with a known start."""
    count = evidence.bounds.low
    found = [call for call in evidence.calls if call.found and call.init_at is not None]
    records = sorted(found, key=_begin)[-count:]
    if len(records) == count:  # the usual case of a finished task
        return {
            number: AttemptStart(_begin(call), call, is_retry=False) for number, call in enumerate(records, 1)
        }
    pause = (evidence.plan.pause or 0.0) if evidence.plan else 0.0
    near = max(_NEAR_S, pause / 2)
    return _placed(evidence, _merged(_announced_starts(evidence, records, near), records, near, count))


def _begin(call: CallRecord) -> float:
    return call.init_at or 0.0


def _announced_starts(
    evidence: AttemptEvidence, records: Sequence[CallRecord], near: float
) -> list[AttemptStart]:
    """Return the announced starts. Leave out announcements that came long after the last call began."""
    announced = [AttemptStart(at, None, is_retry=True) for at in evidence.retry_hooks]
    if evidence.before is not None and not (announced and announced[0].at < evidence.before):
        announced.insert(0, AttemptStart(evidence.before, None, is_retry=False))
    if evidence.end.is_over and records and _is_latest(records[-1], evidence):
        last = _begin(records[-1]) + near
        return [start for start in announced if start.at <= last]
    return announced


def _is_latest(call: CallRecord, evidence: AttemptEvidence) -> bool:
    return call_key(call.call) == call_key(evidence.end.cdr)


def _merged(
    announced: Sequence[AttemptStart], records: Sequence[CallRecord], near: float, count: int
) -> Sequence[AttemptStart]:
    """Merge announcements and calls of the same attempt. The call's own time wins.

    The nearest pairs are matched first: pairs within `near` seconds, then others while there would be more
    than `count` attempts, since an announcement may have been delayed.
    """
    pairs = sorted(
        (abs(start.at - _begin(record)), place, which)
        for place, start in enumerate(announced)
        for which, record in enumerate(records)
        if start.at >= _begin(record) - near
    )
    matched: dict[int, int] = {}
    for distance, place, which in pairs:
        if distance > near and len(announced) + len(records) - len(matched) <= count:
            break
        if all(_is_apart((which, place), other) for other in matched.items()):
            matched[which] = place
    alone = [start for place, start in enumerate(announced) if place not in matched.values()]
    starts = [
        AttemptStart(_begin(record), record, which in matched and announced[matched[which]].is_retry)
        for which, record in enumerate(records)
    ]
    return sorted([*alone[: count - len(records)], *starts], key=attrgetter("at"))


def _is_apart(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether two pairs have nothing in common and do not cross."""
    return one[0] != other[0] and one[1] != other[1] and (one[0] < other[0]) == (one[1] < other[1])


def _placed(evidence: AttemptEvidence, starts: Sequence[AttemptStart]) -> Mapping[int, AttemptStart]:
    """Return the starts by their attempts' numbers. If some are missing, the task's latest call is its last
    attempt, and the others follow the first without a gap.
    """
    count, left = evidence.bounds.low, list(starts)
    placed: dict[int, AttemptStart] = {}
    if left and left[-1].call and _is_latest(left[-1].call, evidence):
        placed[count] = left.pop()
    is_first_missing = count - len(placed) > len(left) and left and left[0].is_retry
    return placed | dict(enumerate(left, start=2 if is_first_missing else 1))
