"""Bars: yield by attempt and by pause, failure reasons."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from receiver.analytics import formatting
from receiver.analytics.charts.chart import ChartContent
from receiver.analytics.charts.layout import ChartLayout, Plot, rate_ticks
from receiver.analytics.charts.palette import Palette
from receiver.analytics.charts.series import (
    LEGS,
    FailureGroup,
    Rate,
    by_attempt,
    by_pause,
    by_place,
    failures,
    is_few,
)
from receiver.analytics.charts.words import ChartWords
from receiver.analytics.intervals import Share

_NEAR_TOP = 0.9
_RIGHT = 1.14
"""End of a scale of rates, with space for a number behind 100 %."""

_PLACE_NAME = 14
_LEAST = 1.5
"""Least height of a plot of queues in inches."""

_ROOMY = 6
"""Maximum number of bars with decimals above and full counts below."""

Point = tuple[float, float]


def yields(layout: ChartLayout, content: ChartContent) -> None:
    """Draw one upright bar for each attempt."""
    rates, words = by_attempt(content.report), content.words
    if not rates:
        layout.say(words.text("none.attempts"))
        return
    (axes,) = layout.axes(Plot(2.8, below=0.7))
    palette = layout.palette
    has_room = len(rates) <= _ROOMY
    for at, (_, each) in enumerate(rates):
        value, low, high = each.value or 0.0, each.low or 0.0, each.high or 0.0
        axes.bar(at, value, 0.62, **_look(each, palette))
        axes.errorbar(at, value, [[value - low], [high - value]], color=palette.ink, capsize=4, lw=1.3)
        text = words.percent(value) if has_room else f"{100 * value:.0f}"
        place: dict[str, Any] = {"ha": "center", "va": "bottom" if high < _NEAR_TOP else "top"}
        _write(axes, text, (at, high), (0, 4), **_on_paper(palette), **place)
    number = words.brief if has_room else words.short_count
    axes.set_xlim(-0.6, len(rates) - 0.4)
    axes.set_xticks(range(len(rates)), [f"{label}\n{number(each.n)}" for label, each in rates])
    axes.set_xlabel(words.text("attempts_made"))
    axes.tick_params(axis="x", length=0)
    axes.set_ylim(0, 1)
    rate_ticks(axes.yaxis)
    axes.grid(visible=False, axis="x")


def places(layout: ChartLayout, content: ChartContent) -> None:
    """Draw one bar for each queue or account."""
    rates = by_place(content.report)
    if not rates:
        layout.say(content.words.text("none.tasks"))
        return
    (axes,) = layout.axes(Plot(max(0.3 * len(rates), _LEAST)), left=1.65)
    named = [Rate(formatting.name(label)[:_PLACE_NAME] or "–", each) for label, each in rates]
    _draw_rates(axes, named, content.words, layout.palette)


def pauses(layout: ChartLayout, content: ChartContent) -> None:
    """Draw a plot for each attempt, since tasks with more attempts differ."""
    words = content.words
    found = by_pause(content.report, words)
    if not found:
        layout.say(words.text("none.pauses"))
        return
    heights = (
        Plot(0.3 * len(rates), words.text("attempt", number=attempt)) for attempt, rates in found.items()
    )
    plots = layout.axes(*heights, left=1.65)
    for axes, rates in zip(plots, found.values(), strict=True):
        _draw_rates(axes, rates, words, layout.palette)


def _draw_rates(axes: Axes, rates: Sequence[Rate], words: ChartWords, palette: Palette) -> None:
    """Draw one horizontal bar for each rate, with its interval."""
    for at, (_, each) in enumerate(rates):
        value, low, high = each.value or 0.0, each.low or 0.0, each.high or 0.0
        axes.barh(at, value, 0.62, **_look(each, palette))
        axes.errorbar(value, at, xerr=[[value - low], [high - value]], color=palette.ink, capsize=3, lw=1.2)
        _write(axes, words.percent(value), (high, at), (5, 0), va="center", **_on_paper(palette))
    _names(axes, [f"{label}, n {words.brief(each.n)}" for label, each in rates])
    axes.set_xlim(0, _RIGHT)
    rate_ticks(axes.xaxis)


def _look(each: Share, palette: Palette) -> dict[str, Any]:
    if is_few(each):
        return {"facecolor": palette.few, "edgecolor": palette.edge, "hatch": "////", "lw": 0.8}
    return {"facecolor": palette.bar, "edgecolor": palette.blue, "lw": 0.8}


def _on_paper(palette: Palette) -> dict[str, Any]:
    """Return the style of a text on a background that hides the grid."""
    return {"bbox": {"facecolor": palette.paper, "edgecolor": "none", "pad": 0.5}}


def _write(axes: Axes, text: str, at: Point, away: Point, **look: Any) -> None:
    """Write beside the end of a whisker."""
    axes.annotate(text, at, away, textcoords="offset points", **look)


def _names(axes: Axes, names: Sequence[str]) -> None:
    """Label horizontal bars from top to bottom."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def reasons(layout: ChartLayout, content: ChartContent) -> None:
    """Draw one bar for each reason, split by failed leg."""
    found = failures(content.report)
    if found:
        _reason_bars(layout, found, content.words)
    else:
        layout.say(content.words.text("none.reasons"))


def _reason_bars(layout: ChartLayout, found: Sequence[FailureGroup], words: ChartWords) -> None:
    (axes,) = layout.axes(Plot(0.36 * len(found), has_legend=True, below=0.5), left=1.45)
    left, legs = [0] * len(found), _legs(layout.palette)
    for leg in LEGS:
        widths = [each.legs[leg] for each in found]
        label = f"{words.text(f'leg.{leg}')} {words.count(sum(widths))}"
        axes.barh(range(len(found)), widths, 0.62, left, label=label, **legs[leg])
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for at, each in enumerate(found):
        _whisker(axes, at, each, words, layout.palette)
    _names(axes, [words.reason(each.reason) for each in found])
    axes.set_xlim(0, max((each.share.high or 0.0) * each.share.n for each in found) * 1.35)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda number, _: words.count(number)))
    axes.set_xlabel(words.text("tasks"))
    layout.legend(axes, 3)


def _legs(palette: Palette) -> Mapping[str, dict[str, Any]]:
    """Return leg → style of its bars."""
    looks = {"a": (palette.blue, ""), "b": (palette.orange, "////"), "unknown": (palette.paper, "----")}
    return {
        leg: {"facecolor": color, "edgecolor": palette.ink, "hatch": hatch, "lw": 0.6}
        for leg, (color, hatch) in looks.items()
    }


def _whisker(axes: Axes, at: int, each: FailureGroup, words: ChartWords, palette: Palette) -> None:
    """Draw the interval of the share, and write the count and the share."""
    tasks, low, high = (
        each.share.k,
        (each.share.low or 0.0) * each.share.n,
        (each.share.high or 0.0) * each.share.n,
    )
    axes.errorbar(tasks, at, xerr=[[tasks - low], [high - tasks]], color=palette.ink, capsize=3, lw=1.2)
    text = f"{words.count(tasks)} · {words.percent(each.share.value)}"
    _write(axes, text, (high, at), (5, 0), va="center", **_on_paper(palette))
