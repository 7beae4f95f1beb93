"""The heat map of hours and weekdays."""

from collections.abc import Iterable, Mapping
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter
from numpy import array

from receiver.analytics import formatting
from receiver.analytics.charts.chart import ChartContent
from receiver.analytics.charts.layout import ChartLayout, Plot
from receiver.analytics.charts.palette import PALETTES, Palette
from receiver.analytics.charts.series import by_hour, is_few
from receiver.analytics.intervals import Share

_ROW = 0.27
_SHADES = 40
"""Number of colors; with more, matplotlib draws the color bar as a bitmap."""
_MIDDLE = 0.19
"""Luminance with equal contrast to white and to black text."""


def hours(layout: ChartLayout, content: ChartContent) -> None:
    """Draw hours as rows and weekdays as columns, so that cells have space for rate and count on a phone."""
    cells, words = by_hour(content.report), content.words
    if not cells:
        layout.say(words.text("none.attempts"))
        return
    rows = range(min(hour for _, hour in cells), max(hour for _, hour in cells) + 1)
    plots = Plot(_ROW * len(rows), above=0.25, below=0.2), Plot(0.14, words.text("attempt_yield"))
    axes, below = layout.axes(*plots, left=0.55)
    scale = _scale(cells)
    for (weekday, hour), each in cells.items():
        _cell(axes, (weekday, hour), _look(each, scale, layout.palette), each)
    axes.set_xlim(-0.5, 6.5)
    axes.set_ylim(rows[-1] + 0.5, rows[0] - 0.5)
    axes.set_xticks(range(7), words.listed("weekdays"))
    axes.set_yticks(rows, [f"{hour:02}:00" for hour in rows])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    bar = layout.figure.colorbar(scale, cax=below, orientation="horizontal")
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))


def _scale(cells: Mapping[tuple[int, int], Share]) -> ScalarMappable:
    """Return a scale from 0 to the next 10 % above the highest yield that is not of few."""
    highest = max((each.value or 0.0 for each in cells.values() if not is_few(each)), default=1.0)
    top = min(1.0, (int(highest * 10) + 1) / 10)
    return ScalarMappable(Normalize(0, top), colormaps["cividis"].resampled(_SHADES))


def _look(each: Share, scale: ScalarMappable, palette: Palette) -> tuple[str, dict[str, Any]]:
    """Return the color of the text in a cell, and the style of the cell."""
    if is_few(each):
        return palette.soft, {"facecolor": palette.few, "edgecolor": palette.grid, "hatch": "////"}
    (color,) = scale.to_rgba(array([each.value or 0.0]))
    return _readable_on(color), {"facecolor": color}


def _cell(axes: Axes, at: tuple[int, int], style: tuple[str, dict[str, Any]], each: Share) -> None:
    (weekday, hour), (ink, look) = at, style
    axes.add_patch(Rectangle((weekday - 0.49, hour - 0.47), 0.98, 0.94, lw=0, **look))
    text: dict[str, Any] = {"color": ink, "ha": "right", "va": "center_baseline"}
    axes.text(weekday + 0.11, hour, f"{100 * (each.value or 0):.0f} %", size=8.5, **text)
    axes.text(weekday + 0.47, hour, formatting.short_count(each.n), size=7, **text)


def _readable_on(color: Iterable[float]) -> str:
    """Return black or white, whichever has more contrast (WCAG)."""
    red, green, blue = (
        each / 12.92 if each <= 0.04 else ((each + 0.055) / 1.055) ** 2.4 for each in (*color,)[:3]
    )
    return PALETTES["light"].ink if 0.2126 * red + 0.7152 * green + 0.0722 * blue > _MIDDLE else "white"
