"""What the timeline of a task shows, and the sizes in which it is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from receiver.console.timeline.marks import API, CALLS, EVENTS, HOOKS, Mark, marks_of
from receiver.console.timeline.spans import PlannedStart, TimeSpan, spans_of, starts_of
from receiver.i18n.catalogue import Catalogue
from receiver.story.schemas import Story
from receiver.story.times import Times

_MARGIN = 8.0
"""Space for the signs at the begin of a row."""


@dataclass(frozen=True, slots=True)
class DrawingSize:
    """`width`: of the whole drawing; `names`: of the column with the names of lanes; `rows`: at most; `call`:
    width of a usual call until it is answered.
    """

    name: str
    width: float
    names: float
    rows: int
    call: float

    @property
    def left(self) -> float:
        """Return where the clock begins."""
        return self.names + _MARGIN


SIZES = (
    DrawingSize("tl-narrow", 340, 64, 14, 80),
    DrawingSize("tl-middle", 690, 84, 8, 96),
    DrawingSize("tl-wide", 1060, 96, 8, 96),
)
"""For a phone, a tablet, and a desktop."""


@dataclass(frozen=True, slots=True)
class TimelineContent:
    """What is drawn. `names`: lane → its name, in order; `now`: None if nothing is open."""

    spans: Sequence[TimeSpan]
    starts: Sequence[PlannedStart]
    marks: Sequence[Mark]
    names: Mapping[str, str]
    now: float | None
    times: Times
    texts: Catalogue


def content_of(story: Story, times: Times, texts: Catalogue) -> TimelineContent:
    """Return what the timeline of a story shows."""
    spans, starts = spans_of(story), starts_of(story)
    marks = [mark for mark in marks_of(story) if mark.lane != CALLS]
    lanes = {lane: texts.text(f"console_timeline.lane.{lane}") for lane in ("a", "b", HOOKS, API, EVENTS)}
    lanes |= {each.subscription: each.name or each.subscription for each in story.subscribers}
    later = [*(mark.at for mark in marks), story.next_attempt_at or 0.0]
    is_open = any(span.is_open and span.end >= story.at for span in spans) or max(later) > story.at
    return TimelineContent(spans, starts, marks, lanes, story.at if is_open else None, times, texts)
