"""The layout of a task's timeline: rows of one clock, below each other."""

from collections.abc import Sequence
from textwrap import wrap

from receiver.console.timeline.clock import ClockRow, ClockRules, Omission, clock_rows, scale_for
from receiver.console.timeline.content import DrawingSize, TimelineContent
from receiver.console.timeline.drawing import LETTER, Drawing, Label, Shape
from receiver.console.timeline.row_layout import RowLayout
from receiver.console.timeline.spans import TimeSpan, calls_of

_BETWEEN = 14.0
"""Height of the space between rows."""


def layout(content: TimelineContent, size: DrawingSize) -> Drawing:
    """Return the drawing of a timeline."""
    shapes: list[Shape] = []
    top, day = 0.0, ""
    for row in _rows(content, size):
        if isinstance(row, Omission):
            made: Sequence[Shape]
            made, top = _omission(content, row, size, top)
        else:
            made, top, day = RowLayout(content, row, size).shapes(top, day)
        shapes += made
        top += _BETWEEN
    return Drawing(size.width, max(top - _BETWEEN, 1.0), shapes)


def _rows(content: TimelineContent, size: DrawingSize) -> Sequence[ClockRow | Omission]:
    moments = [moment for span in content.spans for moment in (span.begin, span.end)]
    moments += [mark.at for mark in content.marks]
    others = [content.now, *(at for start in content.starts for at in (start.planned_at, start.started_at))]
    moments += [moment for moment in others if moment is not None]
    calls = calls_of(content.spans)
    pauses = [span for span in content.spans if span.kind == "pause"]
    rules = ClockRules(
        size.width - size.left,
        size.rows,
        [(each.begin, each.end, len(content.texts.render(each.text)) * LETTER + 14) for each in pauses],
        [(each.begin, each.end) for each in calls],
    )
    return clock_rows(moments, scale_for(_unanswered(calls), size.call), rules)


def _unanswered(calls: Sequence[TimeSpan]) -> list[float]:
    """Return how long each attempt called before A and B talked."""
    ends: dict[int, tuple[float, float]] = {}
    for span in calls:
        if span.kind != "talk":
            begin, end = ends.get(span.attempt, (span.begin, span.end))
            ends[span.attempt] = min(begin, span.begin), max(end, span.end)
    return [end - begin for begin, end in ends.values()]


def _omission(
    content: TimelineContent, row: Omission, size: DrawingSize, top: float
) -> tuple[list[Shape], float]:
    """Return a text in place of the rows that are not drawn."""
    attempts = {span.attempt for span in calls_of(content.spans) if row.begin <= span.begin < row.end}
    marks = sum(row.begin <= mark.at < row.end for mark in content.marks)
    texts, times = content.texts, content.times
    values = {"attempts": texts.text("common.attempt", count=len(attempts)), "marks": texts.number(marks)}
    span = {"since": times.at(row.begin), "until": times.at(row.end)}
    lines = wrap(texts.text("console_timeline.omitted", **values, **span), int(size.width / LETTER))
    middle = size.width / 2
    shapes: list[Shape] = [
        Label(middle, top + 14 + 16 * place, line, "omitted", "middle") for place, line in enumerate(lines)
    ]
    return shapes, top + 16 * len(lines) + 6
