"""The attempts of one task one by one: when each began, whom it reached, and why it failed.

Hooks announce attempts, call history has their calls; of an attempt of which neither tells, only its number
is known. Calls and announcements are matched by time, since a hook may name the call before.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from receiver.domain.attempts import Attempts
from receiver.domain.facts import CallSaid, TaskSaid
from receiver.domain.fields import call_key
from receiver.domain.frozen_record import shape
from receiver.domain.results import Reasons, Verdict, is_bridged, judge, legs_of

_NEAR_S = 30.0
"""A call that began so near to an announcement is of the same attempt; half a pause, where that is more."""


@shape(frozen=True, slots=True)
class Attempt:
    """One dialling of a task. Times: epoch seconds; durations: seconds; None: not known.

    `connected`: it made the task a success; None while it is under way, and where nobody has said how the
    task ended. `bridged`, `a_answered`, `b_answered`: by the call's record; B is None where it was not
    dialled. `gap_s`: since the start of the one before. `verdict`: None while it is under way.
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


@shape(frozen=True, slots=True)
class End:
    """What is known of a task's end. `result`: success, failed, or None; `is_over`: whether it has ended."""

    result: str | None
    is_over: bool
    word: str | None = None
    cdr: str | None = None


@shape(frozen=True, slots=True)
class Trail:
    """What the attempts left behind. `before`: when that hook came first; `again`: when each further attempt
    was announced; `calls`: the task's calls that call history has; `state`: the task's, as users see it.
    """

    plan: TaskSaid | None
    attempts: Attempts
    before: float | None
    again: Sequence[float]
    calls: Sequence[CallSaid]
    end: End
    state: str


class Moment(NamedTuple):
    """When an attempt began, its call's record, and whether `before_again` announced it."""

    at: float
    call: CallSaid | None
    again: bool


_FAILED = End("failed", is_over=True)
_UNHEARD = Verdict("unknown", None, "unknown")


def each_attempt(trail: Trail, reasons: Reasons) -> tuple[Attempt, ...]:
    """As many attempts as the facts prove, in order."""
    moments = _numbered(trail) if trail.attempts.low else {}
    made = []
    before: float | None = None
    for number in range(1, trail.attempts.low + 1):
        moment = moments.get(number)
        made.append(_attempt(trail, number, moment, before, reasons))
        before = moment.at if moment else None
    return tuple(made)


def _attempt(
    trail: Trail, number: int, moment: Moment | None, before: float | None, reasons: Reasons
) -> Attempt:
    call = moment.call if moment else None
    a_number = trail.plan.a_number if trail.plan else None
    legs, end = legs_of(call, a_number, reasons.region), _end_of(trail, number, call)
    return Attempt(
        number=number,
        started_at=moment.at if moment else None,
        call=call.call if call else None,
        connected=end.result == "success" if end and end.result else None,
        bridged=is_bridged(call) if call and legs.a is not None else None,
        a_answered=legs.a,
        b_answered=legs.b,
        verdict=_verdict(end, call, a_number, reasons) if end else None,
        gap_s=round(moment.at - before, 3) if moment and before is not None else None,
        talk_s=call.bridged_duration if call else None,
        total_s=call.duration if call else None,
    )


def _end_of(trail: Trail, number: int, call: CallSaid | None) -> End | None:
    """How this attempt ended; None while it is under way. One that was followed by another has failed."""
    if number < trail.attempts.low:
        return _FAILED
    if trail.end.is_over or trail.end.result:
        return trail.end
    return _FAILED if call and call.hangup_at is not None and not is_bridged(call) else None


def _verdict(end: End, call: CallSaid | None, a_number: str | None, reasons: Reasons) -> Verdict:
    if end.result == "failed" and call is None and end.word is None:
        return _UNHEARD
    return judge(end.result, end.word, call, a_number, reasons)


def _numbered(trail: Trail) -> Mapping[int, Moment]:
    """Number → when the attempt began and its call's record, where something is known of it."""
    count = trail.attempts.low
    found = [call for call in trail.calls if call.found and call.init_at is not None]
    records = sorted(found, key=_begin)[-count:]
    if len(records) == count:  # mostly, in the end
        return {number: Moment(_begin(call), call, again=False) for number, call in enumerate(records, 1)}
    pause = (trail.plan.pause or 0.0) if trail.plan else 0.0
    near = max(_NEAR_S, pause / 2)
    return _placed(trail, _merged(_heard(trail, records, near), records, near, count))


def _begin(call: CallSaid) -> float:
    return call.init_at or 0.0


def _heard(trail: Trail, records: Sequence[CallSaid], near: float) -> list[Moment]:
    """The announcements that tell when an attempt began: what was held up on its way does not."""
    again = [Moment(at, None, again=True) for at in trail.again]
    heard = again
    if trail.before is not None and not (again and again[0].at < trail.before):
        heard = [Moment(trail.before, None, again=False), *again]
    if trail.end.is_over and records and _is_latest(records[-1], trail):
        last = _begin(records[-1]) + near
        return [each for each in heard if each.at <= last]
    return heard


def _is_latest(call: CallSaid, trail: Trail) -> bool:
    return call_key(call.call) == call_key(trail.end.cdr)


def _merged(
    heard: Sequence[Moment], records: Sequence[CallSaid], near: float, count: int
) -> Sequence[Moment]:
    """Announcements and calls, those of the same attempt once; the call's own time is the better one.

    The nearest are matched first: those that are near, and what may have been held up on its way while there
    would be more than `count`.
    """
    pairs = sorted(
        (abs(each.at - _begin(record)), place, which)
        for place, each in enumerate(heard)
        for which, record in enumerate(records)
        if each.at >= _begin(record) - near
    )
    matched: dict[int, int] = {}
    for distance, place, which in pairs:
        if distance > near and len(heard) + len(records) - len(matched) <= count:
            break
        if all(_is_apart((which, place), other) for other in matched.items()):
            matched[which] = place
    alone = [each for place, each in enumerate(heard) if place not in matched.values()]
    moments = [
        Moment(_begin(record), record, which in matched and heard[matched[which]].again)
        for which, record in enumerate(records)
    ]
    return sorted([*alone[: count - len(records)], *moments], key=attrgetter("at"))


def _is_apart(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two pairs have nothing in common and do not cross."""
    return one[0] != other[0] and one[1] != other[1] and (one[0] < other[0]) == (one[1] < other[1])


def _placed(trail: Trail, moments: Sequence[Moment]) -> Mapping[int, Moment]:
    """The moments under their attempts' numbers. Where some are missing, the task's latest call is of its
    last attempt; the others are taken to follow the first without a gap.
    """
    count, some = trail.attempts.low, list(moments)
    placed: dict[int, Moment] = {}
    if some and some[-1].call and _is_latest(some[-1].call, trail):
        placed[count] = some.pop()
    is_first_missing = count - len(placed) > len(some) and some and some[0].again
    return placed | dict(enumerate(some, start=2 if is_first_missing else 1))
