"""What lasts on the timeline of a task: ringing, waiting, talking, and pauses between attempts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from receiver.i18n.catalogue import Phrase
from receiver.story.schemas import Story, StoryAttempt, StoryLeg
from receiver.story.times import duration

Lane = Literal["a", "b"]
SpanKind = Literal["ring", "hold", "talk", "call", "pause"]

_LONG_S = 1000.0
"""Length of a pause in seconds from which it is written in minutes."""


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A time from `begin` to `end`, in epoch seconds. `lane`: None for a pause, which is of both legs.
    `kind`: `hold`: A has answered and waits for B; `call`: nothing is known of its parts. `is_open`: it goes
    on, or its end is not known.
    """

    kind: SpanKind
    lane: Lane | None
    begin: float
    end: float
    attempt: int
    text: Phrase
    is_open: bool = False

    def covers(self, begin: float, end: float) -> bool:
        """Return whether a time lies within the span."""
        return self.begin <= begin and end <= self.end


@dataclass(frozen=True, slots=True)
class PlannedStart:
    """The begin of an attempt. `planned_at`, `started_at`: None if not known. `text`: its number,
    and how late it began.
    """

    number: int
    planned_at: float | None
    started_at: float | None
    text: Phrase

    @property
    def at(self) -> float | None:
        """Return the earlier of both moments."""
        return min(filter(None, (self.planned_at, self.started_at)), default=None)


def spans_of(story: Story) -> list[TimeSpan]:
    """Return all spans of a story."""
    found = [span for attempt in story.attempts for span in _attempt(story, attempt)]
    return [*found, *_pauses(story)]


def starts_of(story: Story) -> list[PlannedStart]:
    """Return where attempts began, and where the next one is planned."""
    starts = [_start(attempt) for attempt in story.attempts]
    if story.next_attempt_at is not None:
        number = len(story.attempts) + 1
        text = Phrase("console_timeline.planned.next", {"number": number})
        starts.append(PlannedStart(number, story.next_attempt_at, None, text))
    return [start for start in starts if start.at is not None]


def _start(attempt: StoryAttempt) -> PlannedStart:
    values: dict[str, Phrase | str | float] = {"number": attempt.number}
    if attempt.late_s is None:
        return PlannedStart(
            attempt.number,
            attempt.planned_at,
            attempt.started_at,
            Phrase("console_timeline.planned.number", values),
        )
    text = Phrase("console_timeline.planned.attempt", {**values, "late": lateness(attempt.late_s)})
    return PlannedStart(attempt.number, attempt.planned_at, attempt.started_at, text)


def lateness(seconds: float | None) -> Phrase:
    """Say how late an attempt began."""
    if seconds is None:
        return Phrase("console_timeline.planned.only")
    if round(seconds) == 0:
        return Phrase("console_timeline.planned.in_time")
    name = "late" if seconds > 0 else "early"
    return Phrase(f"console_timeline.planned.{name}", {"by": duration(abs(seconds))})


def _attempt(story: Story, attempt: StoryAttempt) -> Iterator[TimeSpan]:
    """Yield the spans of both legs; of an attempt without legs one span from its start."""
    begin, end = attempt.started_at, _end(story, attempt)
    found = [span for leg in attempt.dialed for span in _leg(attempt, leg, end)]
    if found or begin is None:
        yield from found
        return
    is_open = attempt.ended_at is None
    name = "under_way" if attempt.reason is None else "no_record" if is_open else "call"
    text = Phrase(f"console_timeline.span.{name}", {"time": duration(end - begin)})
    yield TimeSpan("call", "a", begin, end, attempt.number, text, is_open)


def _end(story: Story, attempt: StoryAttempt) -> float:
    """Return the end of an attempt: now if it is under way, its begin if the end is not known."""
    if attempt.ended_at is not None:
        return attempt.ended_at
    begin = attempt.started_at or story.at
    return max(begin, story.at) if attempt.reason is None else begin


def _leg(attempt: StoryAttempt, leg: StoryLeg, end: float) -> Iterator[TimeSpan]:
    """Yield how a leg rang, waited and talked."""
    begin = leg.dialed_at if leg.dialed_at is not None else attempt.started_at
    if begin is None:
        return
    over = max(begin, leg.ended_at if leg.ended_at is not None else end)
    answered = leg.answered_at
    if answered is None:
        yield _span(attempt, leg, "call" if leg.answered else "ring", (begin, over))
        return
    answered = min(max(answered, begin), over)
    yield _span(attempt, leg, "ring", (begin, answered))
    talk = over if attempt.connected_at is None else min(max(attempt.connected_at, answered), over)
    if talk > answered:
        yield _span(attempt, leg, "hold", (answered, talk))
    if talk < over:
        yield _span(attempt, leg, "talk", (talk, over))


def _span(attempt: StoryAttempt, leg: StoryLeg, kind: SpanKind, times: tuple[float, float]) -> TimeSpan:
    begin, end = times
    text = Phrase(f"console_timeline.span.{kind}", {"time": duration(end - begin)})
    return TimeSpan(kind, leg.side, begin, end, attempt.number, text)


def _pauses(story: Story) -> Iterator[TimeSpan]:
    for before, attempt in pairwise(story.attempts):
        begin, end = before.ended_at, attempt.started_at
        if begin is not None and end is not None and begin < end:
            yield TimeSpan("pause", None, begin, end, attempt.number, _pause_text(story, end - begin))
    last = story.attempts[-1] if story.attempts else None
    until = story.next_attempt_at
    if last and last.ended_at is not None and until is not None and last.ended_at < until:
        text = Phrase("console_timeline.pause.planned", {"planned": _length(until - last.ended_at)})
        yield TimeSpan("pause", None, last.ended_at, until, last.number + 1, text, is_open=True)


def _pause_text(story: Story, seconds: float) -> Phrase:
    if story.task.pause is None:
        return Phrase("console_timeline.pause.plain", {"real": _length(seconds)})
    values = {"planned": _length(story.task.pause), "real": _length(seconds)}
    return Phrase("console_timeline.pause.both", values)


def _length(seconds: float) -> Phrase:
    """Return the length of a pause: in seconds if it is short, since it is compared with the planned one."""
    if seconds >= _LONG_S:
        return duration(seconds)
    return Phrase("common.duration.seconds", {"count": round(seconds)})


def calls_of(spans: Sequence[TimeSpan]) -> list[TimeSpan]:
    """Return the spans of calls, without pauses."""
    return [span for span in spans if span.kind != "pause"]
