"""Layout of a chart: heading, plots, notes. Sizes in inches; text in points."""

from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from receiver.analytics.charts.chart import ChartContent
from receiver.analytics.charts.palette import PALETTES, Palette
from receiver.i18n.catalogue import Language

_STYLE: Mapping[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 10.5,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 9.2,
    "hatch.linewidth": 0.7,
    "svg.fonttype": "none",
    "svg.hashsalt": "receiver",
}

_WIDTH = 5.4
"""Width in inches; small, so that text is readable on a phone or on half a slide."""

_MARGIN, _TITLE, _LINE, _GAP = 0.12, 0.3, 0.19, 0.12
_LETTERS: Mapping[Language, int] = {"en": 76, "ru": 70}
"""Maximum characters in a line of the heading: Cyrillic letters are wider."""

_LABEL, _LEGEND = 0.21, 0.25
_SMALL = 9.2
"""Size of small text in points."""


def style(palette: Palette) -> Mapping[str, Any]:
    """Return matplotlib's settings."""
    inked = ("text.color", "axes.labelcolor", "xtick.color", "ytick.color")
    colors = {"axes.facecolor": palette.paper, "axes.edgecolor": palette.edge, "grid.color": palette.grid}
    return {**_STYLE, **dict.fromkeys(inked, palette.ink), **colors}


class Plot(NamedTuple):
    """A plot. `label`: title above it; `above`, `below`: space for the labels of its axis."""

    height: float
    label: str = ""
    has_legend: bool = False
    above: float = 0.07
    below: float = 0.3


class ChartLayout:
    """A matplotlib figure with heading and notes; `axes` adds the plots."""

    def __init__(
        self, content: ChartContent, palette: Palette = PALETTES["light"], *, has_title: bool = True
    ) -> None:
        self.palette = palette
        self._title = [content.title] if has_title else []
        words, letters = content.words, _LETTERS[content.words.language]
        self._heading = joined(content.heading, letters)
        notes = (words.text("note", text=note) for note in content.notes)
        self._notes = [line for note in notes for line in wrap(note, letters)]
        self.figure = Figure(facecolor=palette.paper)

    def axes(self, *plots: Plot, left: float = 0.75) -> list[Axes]:
        """Return axes one below the other. `left`: space for the labels of their scales."""
        places = [_above(plot) + plot.height + plot.below for plot in plots]
        top = _MARGIN + _TITLE * len(self._title) + _LINE * len(self._heading) + _GAP
        height = top + sum(places) + _LINE * len(self._notes) + _MARGIN
        self.figure.set_size_inches(_WIDTH, height)
        palette = self.palette
        small = {"size": _SMALL, "color": palette.soft}
        self._write(_MARGIN, self._title, size=13.5, weight="bold", color=palette.ink)
        self._write(_MARGIN + _TITLE * len(self._title), self._heading, **small)
        self._write(height - _MARGIN - _LINE * len(self._notes), self._notes, **small)
        made = []
        for plot, place in zip(plots, places, strict=True):
            if plot.label:
                self._write(top, [plot.label], size=10.5, weight="bold", color=palette.ink)
            bottom = height - top - _above(plot) - plot.height
            width = (_WIDTH - left - 2 * _MARGIN) / _WIDTH
            made.append(self.figure.add_axes((left / _WIDTH, bottom / height, width, plot.height / height)))
            top += place
        return made

    def _write(self, top: float, lines: Sequence[str], **look: Any) -> None:
        """Write lines of text at a distance from the top."""
        height = self.figure.get_size_inches()[1]
        for number, line in enumerate(lines):
            at = _MARGIN / _WIDTH, 1 - (top + number * _LINE) / height
            self.figure.text(*at, line, va="top", **look)

    def legend(self, axes: Axes, columns: int) -> None:
        """Draw a legend above the plot."""
        place = blended_transform_factory(self.figure.transFigure, axes.transAxes)
        room = axes.get_position().height * self.figure.get_size_inches()[1]
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(_MARGIN / _WIDTH, 1 + 0.11 / room),
            bbox_transform=place,
            ncols=columns,
            borderpad=0,
            borderaxespad=0,
            handlelength=1.5,
            columnspacing=1.1,
            handletextpad=0.5,
        )

    def say(self, text: str) -> None:
        """Write a text instead of a plot."""
        (axes,) = self.axes(Plot(1.2))
        axes.set_axis_off()
        self.figure.text(
            0.5, axes.get_position().y0 + axes.get_position().height / 2, text, ha="center", size=12
        )


def _above(plot: Plot) -> float:
    return _LABEL * bool(plot.label) + _LEGEND * plot.has_legend + plot.above


def joined(parts: Iterable[str], most: int) -> list[str]:
    """Join parts with dots, in lines of at most `most` characters."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(part) + 3 <= most:
            lines[-1] += f" · {part}"
        else:
            lines.append(part)
    return lines


def rate_ticks(axis: Axis) -> None:
    """Set a scale from 0 to 100 %, so that charts can be compared."""
    axis.set_ticks([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [f"{number} %" for number in range(0, 101, 20)])
