"""Attempts in the answer of the story: planned and real times, and the legs of their calls."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from receiver.domain.attempts import Attempt
from receiver.domain.facts import CallRecord
from receiver.domain.fields import call_key
from receiver.domain.masking import mask_number, mask_text, mask_tree
from receiver.domain.moments import read_moment
from receiver.domain.reasons import has_answered, is_bridged, sides_of
from receiver.domain.recordings import recording_url
from receiver.domain.timeline import Timeline
from receiver.story.schemas import StoryAttempt, StoryLeg

_SAME = (
    "number",
    "started_at",
    "call",
    "connected",
    "a_answered",
    "b_answered",
    "gap_s",
    "talk_s",
    "total_s",
)
"""Fields of an attempt that the answer shows as they are."""

_DIALED = ("start_time_gmt", "init_time_gmt")
_ANSWERED = ("answer_time_gmt", "answered_time_gmt")
_ENDED = ("hangup_time_gmt", "end_time_gmt")
"""Names of the times of a leg in call history, best first."""


@dataclass(frozen=True, slots=True)
class AttemptRules:
    """`numbers`: show phone numbers in full; `recordings`: template of URLs of recordings."""

    numbers: bool
    recordings: str | None = None


def attempt_views(timeline: Timeline, rules: AttemptRules) -> list[StoryAttempt]:
    """Return the attempts of a task in order."""
    calls = {call_key(call.call): call for call in timeline.calls if call.found}
    found = [calls.get(call_key(attempt.call)) if attempt.call else None for attempt in timeline.attempts]
    return [
        _view(timeline, attempt, before, call, rules)
        for attempt, (before, call) in zip(timeline.attempts, pairwise([None, *found]), strict=True)
    ]


def _view(
    timeline: Timeline,
    attempt: Attempt,
    before: CallRecord | None,
    call: CallRecord | None,
    rules: AttemptRules,
) -> StoryAttempt:
    """Return an attempt. `before`: call of the attempt before."""
    started, verdict, numbers = attempt.started_at, attempt.verdict, rules.numbers
    planned = _planned_at(timeline, attempt, before)
    raw = verdict.raw if verdict else None
    legs = call.legs if call else ()
    return StoryAttempt(
        **{name: getattr(attempt, name) for name in _SAME},
        planned_at=planned,
        connected_at=call.bridged_at if call else None,
        ended_at=call.hangup_at if call else None,
        late_s=_since(planned, started),
        pause_s=_since(before.hangup_at if before else None, started),
        reason=verdict.result if verdict else None,
        raw_reason=raw if numbers or raw is None else mask_text(raw),
        failed_leg=verdict.failed_leg if verdict else None,
        legs=[dict(leg) if numbers else mask_tree(dict(leg)) for leg in legs],
        dialed=list(_legs(timeline, call, rules)) if call else [],
    )


def _planned_at(timeline: Timeline, attempt: Attempt, before: CallRecord | None) -> float | None:
    if attempt.number == 1:
        return timeline.planned_at
    pause = timeline.plan.pause if timeline.plan else None
    return before.hangup_at + pause if before and before.hangup_at is not None and pause is not None else None


def _since(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else round(end - begin, 3)


def _legs(timeline: Timeline, call: CallRecord, rules: AttemptRules) -> Iterator[StoryLeg]:
    a_number = timeline.plan.a_number if timeline.plan else None
    for leg, side in zip(call.legs, sides_of(call, a_number, timeline.region), strict=True):
        dialed, answered = _time(leg, _DIALED), _time(leg, _ANSWERED)
        if answered is None and side == "b" and is_bridged(call):
            answered = call.bridged_at
        texts = {name: _text(leg, names, rules.numbers) for name, names in _TEXTS.items()}
        yield StoryLeg(
            side=side,
            answered=has_answered(leg),
            dialed_at=call.init_at if dialed is None and side == "a" else dialed,
            answered_at=answered,
            ended_at=_time(leg, _ENDED),
            **texts,
            recording=recording_url(rules.recordings, texts["record"], call.call),
        )


_TEXTS: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "number": ("dest_number", mask_number),
    "result": ("result", mask_text),
    "hangup_cause": ("hangup_cause", mask_text),
    "record": ("record_uuid", str),
}
"""Field → name in call history, and how its phone numbers are masked."""


def _text(leg: Mapping[str, Any], field: tuple[str, Callable[[str], str]], numbers: bool) -> str | None:
    name, mask = field
    text = str(leg.get(name) or "")
    return (text if numbers else mask(text)) or None


def _time(leg: Mapping[str, Any], names: Sequence[str]) -> float | None:
    """Return the first of these times that can be read, in epoch seconds."""
    return next(filter(None, (read_moment(str(leg[name])) for name in names if leg.get(name))), None)
