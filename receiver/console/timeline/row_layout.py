"""The layout of one row of a timeline: the clock, the lanes of both legs, and the lanes of marks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from receiver.console.timeline.clock import ClockRow, Stretch
from receiver.console.timeline.content import DrawingSize, TimelineContent
from receiver.console.timeline.drawing import LETTER, Box, Label, Line, Shape, Shelf, shortened
from receiver.console.timeline.mark_lanes import PlacedMark, lane_height, lane_shapes, stacks_of
from receiver.console.timeline.spans import PlannedStart, TimeSpan, calls_of
from receiver.story.times import duration

_LEG = 20.0
"""Height of the lane of a leg."""

_TICKS, _AXIS, _PLAN = 14.0, 16.0, 15.0
"""Heights of the times, of the axis, and of the planned starts."""

_BESIDE = 4.0
"""Distance of the number of an attempt from its start."""

_BOLD = 1.15
"""Width of bold letters, relative to others."""

_THIN = 3.0
"""Minimum width of a bar."""


@dataclass(frozen=True, slots=True)
class RowLayout:
    """One row of the clock."""

    content: TimelineContent
    row: ClockRow
    size: DrawingSize

    def shapes(self, top: float, day: str) -> tuple[list[Shape], float, str]:
        """Return the shapes, the bottom, and the day of the row. `day`: of the row above."""
        today = self.content.times.day(self.row.begin)
        axis = top + _TICKS
        legs = axis + _AXIS
        starts = [start for start in self.content.starts if self._begins(start)]
        plan = legs
        legs += _PLAN if starts else 0.0
        spans = [
            each for each in self.content.spans if each.end >= self.row.begin and each.begin <= self.row.end
        ]
        spans = [each for each in spans if self._shows(each)]
        below = legs + (2 * _LEG if spans else 0.0)
        lanes, bottom = self._lanes(below)
        shapes: list[Shape] = [*self._frame(top, bottom), *self._axis(axis, bottom)]
        if today not in ("", day):
            shapes.append(Label(0, top + 11, today, "day"))
        if spans:
            shapes += self._legs(spans, legs)
        shapes += self._plan(starts, plan, below)
        return [*shapes, *lanes, *self._now(axis, bottom)], bottom, today

    def _x(self, moment: float) -> float:
        return self.size.left + self.row.place(moment)

    def _name(self, lane: str, y: float) -> Label:
        return Label(0, y, shortened(self.content.names[lane], self.size.names / _BOLD), "lane")

    def _shows(self, span: TimeSpan) -> bool:
        """Return whether a part of a span is on this row, not only an end of it."""
        if span.begin == span.end:
            return self.row.holds(span.begin)
        return span.begin < self.row.end and span.end > self.row.begin

    def _frame(self, top: float, bottom: float) -> Iterator[Shape]:
        yield Box(
            self.size.names, top + _TICKS, self.size.width - self.size.names, bottom - top - _TICKS, "row"
        )

    def _axis(self, y: float, bottom: float) -> Iterator[Shape]:
        """Yield the line of the clock with its times; broken times with their length."""
        middle, left = y + _AXIS / 2, self.size.left
        for stretch in self.row.stretches:
            right = left + stretch.width
            if stretch.is_broken:
                yield Label((left + right) / 2, middle + 4, self._length(stretch), "break", "middle")
            else:
                yield Line(left, middle, right, middle, "axis")
            left = right
        shelf = Shelf()
        for moment in self._ticks():
            x = self._x(moment)
            label = self._tick(x, y - 3, moment)
            if shelf.add(label):
                yield Line(x, y - 1, x, bottom, "guide")
                yield label

    def _length(self, stretch: Stretch) -> str:
        """Return how long a broken time lasts; a pause has it written on its line."""
        begin, end = stretch.begin, stretch.end
        if any(span.kind == "pause" and span.covers(begin, end) for span in self.content.spans):
            return "//"
        return self.content.texts.render(duration(end - begin))

    def _tick(self, x: float, y: float, moment: float) -> Label:
        text = self.content.times.clock(moment)
        half = len(text) * LETTER / 2
        if x - half < self.size.names:
            return Label(x, y, text, "tick")
        return Label(x, y, text, "tick", "end" if x + half > self.size.width else "middle")

    def _ticks(self) -> Iterator[float]:
        """Yield moments whose time is written if there is room, the most important first."""
        row = self.row
        calls = calls_of(self.content.spans)
        starts = (start.started_at for start in self.content.starts)
        yield from (at for at in starts if at is not None and row.holds(at))
        yield row.stretches[0].end if row.stretches[0].is_broken else row.begin
        yield from (stretch.end for stretch in row.stretches if stretch.is_broken and row.holds(stretch.end))
        yield from (span.end for span in calls if row.holds(span.end))
        yield from (mark.at for mark in self.content.marks if row.holds(mark.at))

    def _legs(self, spans: Sequence[TimeSpan], top: float) -> Iterator[Shape]:
        """Yield the lanes of both legs."""
        for place, lane in enumerate(("a", "b")):
            y = top + _LEG * place
            yield self._name(lane, y + 14)
            for span in spans:
                if span.lane == lane:
                    yield from self._bar(span, y + 3, _LEG - 6)
        for span in spans:
            if span.lane is None:
                yield from self._pause(span, top + _LEG)

    def _bar(self, span: TimeSpan, y: float, height: float) -> Iterator[Shape]:
        text = self.content.texts.render(span.text)
        left, right = self._x(span.begin), self._x(span.end)
        if right - left < _THIN:
            right = min(left + _THIN, self.size.width)
            left = right - _THIN
        style = f"{span.kind} open" if span.is_open else span.kind
        yield Box(left, y, right - left, height, style, text)
        length = self.content.texts.render(duration(span.end - span.begin))
        if len(length) * LETTER + 6 <= right - left:
            yield Label((left + right) / 2, y + height - 3, length, f"in-{span.kind}", "middle")

    def _pause(self, span: TimeSpan, y: float) -> Iterator[Shape]:
        left, right = self._x(span.begin), self._x(span.end)
        yield Line(left + 2, y + 9, right - 2, y + 9, "pause")
        text = self.content.texts.render(span.text)
        if len(text) * LETTER <= right - left:
            yield Label((left + right) / 2, y + 3, text, "pause", "middle")

    def _begins(self, start: PlannedStart) -> bool:
        return start.at is not None and self.row.holds(start.at)

    def _plan(self, starts: Sequence[PlannedStart], top: float, bottom: float) -> Iterator[Shape]:
        """Yield the numbers of attempts, and dashed lines at planned starts with the lateness on them."""
        shelf, places = Shelf(), [self._x(start.at or 0.0) for start in starts]
        for start in starts:
            x, text = self._x(start.at or 0.0), self.content.texts.render(start.text)
            if start.planned_at is not None:
                planned = self._x(start.planned_at)
                yield Line(planned, top, planned, max(bottom, top + _PLAN), "plan")
            labels = [
                Label(x + _BESIDE, top + 11, text, "plan"),
                Label(x - _BESIDE, top + 11, text, "plan", "end"),
                Label(self.size.width, top + 11, text, "plan", "end"),
                Label(self.size.left, top + 11, text, "plan"),
                Label(x + _BESIDE, top + 11, f"{start.number}", "plan"),
                Label(x - _BESIDE, top + 11, f"{start.number}", "plan", "end"),
            ]
            following = min((place for place in places if place > x), default=self.size.width)
            roomy = [label for label in labels if label.range[1] <= following or label.text != text]
            yield from next(([each] for each in roomy if self._fits(each, x) and shelf.add(each)), [])

    def _fits(self, label: Label, x: float) -> bool:
        """Return whether a label is on the row and at its place: one at the edge may be far from it."""
        left, right = label.range
        near = _BESIDE + 1
        return self.size.left <= left <= x + near and x - near <= right <= self.size.width

    def _lanes(self, top: float) -> tuple[list[Shape], float]:
        """Return the lanes that have marks on this row, and their bottom."""
        shapes: list[Shape] = []
        for lane in self.content.names:
            marks = [mark for mark in self.content.marks if mark.lane == lane and self.row.holds(mark.at)]
            stacks = stacks_of([PlacedMark(self._x(mark.at), mark) for mark in marks])
            if stacks:
                shapes.append(self._name(lane, top + 12))
                shapes += lane_shapes(stacks, top, self.size.width, self.content.texts)
                top += lane_height(stacks)
        return shapes, top + 4

    def _now(self, top: float, bottom: float) -> Iterator[Shape]:
        now = self.content.now
        if now is not None and self.row.holds(now):
            x = self._x(now)
            yield Line(x, top, x, bottom, "now")
            is_left = x + 40 > self.size.width
            text = self.content.texts.text("console_timeline.now")
            yield Label(x - 3 if is_left else x + 3, bottom - 3, text, "now", "end" if is_left else "start")
