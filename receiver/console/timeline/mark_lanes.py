"""Layout of the marks of one lane: marks at nearly the same place are stacked; many are counted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from receiver.console.timeline.drawing import LETTER, Label, Shape, Symbol
from receiver.console.timeline.marks import Mark
from receiver.i18n.catalogue import Catalogue

LINE = 16.0
"""Height of a line of marks."""

_NEAR = 13.0
"""Width within which marks are stacked."""

_MOST = 3
"""Maximum number of marks above each other."""

_BESIDE = 9.0
"""Distance of a label from the middle of its sign, and of the next sign from the end of the label."""

_MORE = -5.0
"""Distance of the number of marks without room from the place of the first of them."""


@dataclass(frozen=True, slots=True)
class PlacedMark:
    """A mark at a distance from the left. `count`: of equal marks there."""

    x: float
    mark: Mark
    count: int = 1


@dataclass(frozen=True, slots=True)
class Stack:
    """Marks above each other. `more`: marks for which there is no room."""

    marks: Sequence[PlacedMark]
    more: Sequence[PlacedMark] = ()

    @property
    def lines(self) -> int:
        return len(self.marks) + bool(self.more)

    @property
    def rest(self) -> str:
        """Return the number of marks for which there is no room, as a text."""
        return f"+{sum(placed.count for placed in self.more)}" if self.more else ""

    @property
    def reach(self) -> float:
        """Return where the next stack may begin, so that its signs touch neither signs nor counts."""
        counted = [placed for placed in self.marks if placed.count > 1]
        ends = [placed.x + _BESIDE + _width(_count(placed)) + _BESIDE for placed in counted]
        ends += [placed.x + _MORE + _width(self.rest) + _BESIDE for placed in self.more[:1]]
        return max([self.marks[0].x + _NEAR, *ends])


def stacks_of(placed: Sequence[PlacedMark]) -> list[Stack]:
    """Return the stacks of a lane from left to right. `placed`: in order of their places."""
    stacks: list[Stack] = []
    group: list[PlacedMark] = []
    for mark in placed:
        if stacks and mark.x < stacks[-1].reach:
            group.append(mark)
            stacks[-1] = _stack(group)
        else:
            group = [mark]
            stacks.append(_stack(group))
    return stacks


def _stack(group: Sequence[PlacedMark]) -> Stack:
    kinds: dict[tuple[str, str], list[PlacedMark]] = {}
    for mark in group:
        kinds.setdefault((mark.mark.sign, mark.mark.label), []).append(mark)
    merged = [PlacedMark(same[0].x, same[0].mark, len(same)) for same in kinds.values()]
    if len(merged) <= _MOST:
        return Stack(merged)
    return Stack(merged[: _MOST - 1], merged[_MOST - 1 :])


def _count(placed: PlacedMark) -> str:
    return f"×{placed.count}" if placed.count > 1 else ""


def _width(text: str) -> float:
    return len(text) * LETTER


def lane_height(stacks: Sequence[Stack]) -> float:
    """Return the height of a lane."""
    return LINE * max((stack.lines for stack in stacks), default=0)


def lane_shapes(stacks: Sequence[Stack], top: float, right: float, texts: Catalogue) -> Iterator[Shape]:
    """Yield signs and labels. `right`: end of the row."""
    for stack, following in zip(stacks, [*stacks[1:], None], strict=True):
        end = following.marks[0].x - _BESIDE if following else right
        for line, placed in enumerate(stack.marks):
            y = top + LINE * (line + 0.5)
            title = texts.render(placed.mark.text)
            yield Symbol(
                placed.x, y, placed.mark.sign, f"{title} ×{placed.count}" if placed.count > 1 else title
            )
            yield from _label(placed, y, end)
        if stack.more:
            y = top + LINE * (len(stack.marks) + 0.5)
            yield Label(stack.more[0].x + _MORE, y + 4, stack.rest, "count")


def _label(placed: PlacedMark, y: float, end: float) -> Iterator[Label]:
    """Yield the label beside a sign, as far as there is room; the count always."""
    count = _count(placed)
    whole = " ".join(filter(None, (placed.mark.label, count)))
    left = placed.x + _BESIDE
    text = whole if left + _width(whole) <= end else count
    if text:
        yield Label(left, y + 4, text, "mark")
