"""A drawing as data: shapes with places and sizes in pixels, and their classes in console.css."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from receiver.console.timeline.marks import Sign

LETTER = 6.7
"""Width of a letter; wide rather than narrow, since fonts differ."""

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Box:
    """A bar of a span. `title`: shown under the pointer."""

    x: float
    y: float
    width: float
    height: float
    style: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float
    style: str


@dataclass(frozen=True, slots=True)
class Label:
    """A text; `y`: of its baseline."""

    x: float
    y: float
    text: str
    style: str = ""
    anchor: Anchor = "start"

    @property
    def range(self) -> tuple[float, float]:
        """Return the left and the right end."""
        width = len(self.text) * LETTER
        left = self.x - {"start": 0.0, "middle": width / 2, "end": width}[self.anchor]
        return left, left + width


@dataclass(frozen=True, slots=True)
class Symbol:
    """A mark; `x`, `y`: of its middle."""

    x: float
    y: float
    sign: Sign
    title: str = ""


Shape = Box | Line | Label | Symbol


@dataclass(frozen=True, slots=True)
class Drawing:
    """A whole drawing; later shapes lie above earlier ones."""

    width: float
    height: float
    shapes: Sequence[Shape]


@dataclass(slots=True)
class Shelf:
    """Labels on one line that must not overlap."""

    taken: list[tuple[float, float]] = field(default_factory=list)

    def add(self, label: Label) -> bool:
        """Return whether there is room for a label, and take it."""
        left, right = label.range
        if any(left < other_right + 4 and other_left < right + 4 for other_left, other_right in self.taken):
            return False
        self.taken.append((left, right))
        return True


def shortened(text: str, width: float) -> str:
    """Return a text, cut to a width."""
    most = max(1, int(width / LETTER))
    return text if len(text) <= most else f"{text[: most - 1]}…"
