"""The clock of the timeline: moments become places on rows. Long times without events are broken: they take
little space, and their length is written on them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

_SLOWEST, _FASTEST, _USUAL = 0.5, 60.0, 2.0
"""Minimum and maximum scale, and the scale without calls, in units of width for a second."""

_WIDEST = 104.0
"""Maximum width of a time that is drawn to scale."""

_BREAK = 76.0
"""Width of a broken time."""

_EDGE = 24.0
"""Width after the last moment of a row, for a sign there and its count."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time between two moments that follow each other. `is_broken`: longer than its width shows."""

    begin: float
    end: float
    width: float
    is_broken: bool = False


@dataclass(frozen=True, slots=True)
class ClockRow:
    """Stretches beside each other, from left to right. `has_begin`, `has_end`: whether the first and the last
    moment are drawn on this row, rather than on the row above or below.
    """

    stretches: Sequence[Stretch]
    begin: float
    end: float
    has_begin: bool
    has_end: bool

    def holds(self, moment: float) -> bool:
        """Return whether a moment is drawn on this row."""
        if self.begin < moment < self.end:
            return True
        return (moment == self.begin and self.has_begin) or (moment == self.end and self.has_end)

    def place(self, moment: float) -> float:
        """Return the distance of a moment from the left, limited to the row."""
        left = 0.0
        for stretch in self.stretches:
            if moment < stretch.end:
                share = (moment - stretch.begin) / (stretch.end - stretch.begin)
                return left + stretch.width * max(0.0, share)
            left += stretch.width
        return left


@dataclass(frozen=True, slots=True)
class Omission:
    """Rows in the middle of a long timeline that are not drawn."""

    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class ClockRules:
    """`width`: of a row; `most`: maximum number of rows; `room`: (begin, end, width) of times that need a
    minimum width for their text; `whole`: (begin, end) of times that should stay on one row.
    """

    width: float
    most: int
    room: Sequence[tuple[float, float, float]] = ()
    whole: Sequence[tuple[float, float]] = ()


def scale_for(durations: Sequence[float], width: float) -> float:
    """Return the width of a second, so that a call of usual duration has this width."""
    lasting = [duration for duration in durations if duration > 0]
    return min(max(width / median(lasting), _SLOWEST), _FASTEST) if lasting else _USUAL


def clock_rows(moments: Iterable[float], scale: float, rules: ClockRules) -> list[ClockRow | Omission]:
    """Return the rows of a timeline. `scale`: width of a second."""
    ordered = sorted(set(moments))
    if not ordered:
        return []
    ordered = ordered if len(ordered) > 1 else [ordered[0], ordered[0] + 1.0]
    stretches = _with_room([_stretch(begin, end, scale) for begin, end in pairwise(ordered)], rules)
    rows = _closed(list(_filled(stretches, rules)))
    if len(rows) <= rules.most:
        return [*rows]
    half = rules.most // 2
    return [*rows[:half], Omission(rows[half].begin, rows[-half].begin), *rows[-half:]]


def _stretch(begin: float, end: float, scale: float) -> Stretch:
    width = (end - begin) * scale
    return Stretch(begin, end, width) if width <= _WIDEST else Stretch(begin, end, _BREAK, is_broken=True)


def _with_room(stretches: list[Stretch], rules: ClockRules) -> list[Stretch]:
    """Widen the longest stretch in each time that needs room for its text."""
    for begin, end, width in rules.room:
        inside = [
            place for place, stretch in enumerate(stretches) if begin <= stretch.begin and stretch.end <= end
        ]
        missing = min(width, rules.width - _EDGE) - sum(stretches[place].width for place in inside)
        if inside and missing > 0:
            longest = max(inside, key=lambda place: stretches[place].end - stretches[place].begin)
            wider = replace(stretches[longest], width=stretches[longest].width + missing, is_broken=True)
            stretches[longest] = wider
    return stretches


def _filled(stretches: Sequence[Stretch], rules: ClockRules) -> Iterator[list[Stretch]]:
    """Yield the stretches of each row: as many blocks as fit; a block wider than a row is divided."""
    row: list[Stretch] = []
    left = 0.0
    for block in _blocks(stretches, rules):
        width = sum(stretch.width for stretch in block)
        is_whole = width <= rules.width - _EDGE
        if row and not is_whole:
            yield row
            row, left = [], 0.0
        for part in [block] if is_whole else [[stretch] for stretch in block]:
            width = sum(stretch.width for stretch in part)
            if row and left + width > rules.width - _EDGE:
                yield row
                row, left = [], 0.0
            row.extend(part)
            left += width
    if row:
        yield row


def _blocks(stretches: Sequence[Stretch], rules: ClockRules) -> Iterator[list[Stretch]]:
    """Yield the stretches that should stay together: those of a call, those of a time with a text, and each
    other broken time alone.
    """
    block: list[Stretch] = []
    whole, place = _merged(rules.whole), None
    for stretch in stretches:
        before, place = place, _place(stretch, rules)
        is_inside = any(begin < stretch.end and stretch.begin < end for begin, end in whole)
        is_alone = stretch.is_broken and not is_inside and place is None
        if block and (is_alone or place != before):
            yield block
            block = []
        block.append(stretch)
        if is_alone:
            yield block
            block = []
    if block:
        yield block


def _place(stretch: Stretch, rules: ClockRules) -> int | None:
    """Return the place of the time with a text in which a stretch lies."""
    places = enumerate(rules.room)
    return next((at for at, (begin, end, _) in places if begin <= stretch.begin and stretch.end <= end), None)


def _merged(times: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Join times that touch."""
    merged: list[tuple[float, float]] = []
    for begin, end in sorted(times):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return merged


def _closed(rows: Sequence[Sequence[Stretch]]) -> list[ClockRow]:
    """Decide on which row the moment between two rows is drawn: below, unless a broken time begins there."""
    keeps = [below[0].is_broken for below in rows[1:]]
    return [
        ClockRow(row, row[0].begin, row[-1].end, has_begin=not above, has_end=below)
        for row, above, below in zip(rows, [False, *keeps], [*keeps, True], strict=True)
    ]
