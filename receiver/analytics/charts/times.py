"""Charts by time: success rate with counts of tasks, and durations."""

from collections.abc import Sequence
from math import nan, sqrt
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from receiver.analytics import formatting
from receiver.analytics.charts.chart import ChartContent
from receiver.analytics.charts.layout import BLUE, INK, ORANGE, SKY, ChartLayout, Plot, rate_ticks
from receiver.analytics.charts.series import NO_SHARE, TimeStep, Values, by_time, is_weak, number_in, share_in
from receiver.analytics.charts.ticks import date_ticks, duration_ticks
from receiver.analytics.report import FEW

_EDGE: dict[str, Any] = {"edgecolor": INK, "lw": 0.4}
_STACK: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("succeeded", "succeeded", {"facecolor": BLUE}),
    ("failed", "failed", {"facecolor": "#b9c0c7"}),
    ("unknown", "unknown", {"facecolor": ORANGE, "hatch": "////"} | _EDGE),
    ("open", "open", {"facecolor": "white", "hatch": "\\\\\\\\"} | _EDGE),
)
"""Count, label and style; in print the first two are dark and light grey."""

_WEAK = f"n < {FEW} or many open"


def trend(layout: ChartLayout, content: ChartContent) -> None:
    """Draw the success rate with its interval, and below it the tasks by state."""
    steps, total = by_time(content.report), content.report.total
    if not steps:
        layout.say("no tasks in this period")
        return
    above, below = layout.axes(
        Plot(2.4, "success rate", has_legend=True), Plot(1.3, "tasks", has_legend=True, below=0.45)
    )
    _rates(above, steps)
    if (overall := share_in(total, "success_rate").value) is not None:
        above.axhline(overall, color=INK, lw=1, ls=(0, (5, 3)), label=f"all: {formatting.percent(overall)}")
    above.set_ylim(0, 1)
    rate_ticks(above.yaxis)
    above.grid(visible=False, axis="x")
    layout.legend(above, 4)
    _stack(below, steps, total)
    layout.legend(below, 4)
    date_ticks((above, below), [each.first for each in steps])


def _rates(axes: Axes, steps: Sequence[TimeStep]) -> None:
    shares = [share_in(step.values, "success_rate") if step.values else NO_SHARE for step in steps]
    low, high = [_or_nan(each.low) for each in shares], [_or_nan(each.high) for each in shares]
    _columns(axes, low, high, facecolor=SKY, label="95 % Wilson")
    line = [_or_nan(each.value) for each in shares]
    axes.plot(range(len(steps)), line, color=BLUE, lw=1.6, label="rate")
    _points(axes, line, [at for at, step in enumerate(steps) if is_weak(step)])


def _columns(axes: Axes, low: Sequence[float], high: Sequence[float], **look: Any) -> None:
    heights = [above - below for below, above in zip(low, high, strict=True)]
    axes.bar(range(len(low)), heights, 0.8, low, **{"lw": 0} | look)


def _points(axes: Axes, line: Sequence[float], weak: Sequence[int]) -> None:
    """Draw filled points, and hollow ones for unreliable rates."""
    look: dict[str, Any] = {"color": BLUE, "ms": _size(line), "clip_on": False}
    axes.plot(range(len(line)), line, "o", **look)
    if weak:
        axes.plot(weak, [line[at] for at in weak], "o", mfc="white", label=_WEAK, **look)


def _stack(axes: Axes, steps: Sequence[TimeStep], total: Values) -> None:
    low = [0] * len(steps)
    for name, label, look in _STACK:
        numbers = [number_in(step.values, name) if step.values else 0 for step in steps]
        high = [below + number for below, number in zip(low, numbers, strict=True)]
        _columns(axes, low, high, label=f"{label} {formatting.brief(number_in(total, name))}", **look)
        low = high
    axes.set_ylim(0, max(low) * 1.05)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda number, _: formatting.count(number)))
    axes.grid(visible=False, axis="x")


_DURATIONS = (("time_to_connect_s", "time to connect"), ("start_lateness_s", "start lateness"))


def timing(layout: ChartLayout, content: ChartContent) -> None:
    """Draw median and 90th percentile of durations."""
    steps, total = by_time(content.report), content.report.total
    if not steps:
        layout.say("no tasks in this period")
        return
    labels = [f"{label}, n = {formatting.count(number_in(total, f'{name}_n'))}" for name, label in _DURATIONS]
    plots = layout.axes(*(Plot(1.5, label, has_legend=True, below=0.45) for label in labels))
    for axes, (name, _) in zip(plots, _DURATIONS, strict=True):
        _durations(axes, steps, name, total)
        layout.legend(axes, 2)
    date_ticks(plots, [each.first for each in steps])


def _durations(axes: Axes, steps: Sequence[TimeStep], name: str, total: Values) -> None:
    for quantile, style, mark, colour in (("p90", "--", "^", ORANGE), ("p50", "-", "o", BLUE)):
        line = [_seconds(step.values, f"{name}_{quantile}") for step in steps]
        label = f"{quantile}, of all: {formatting.duration(_seconds(total, f'{name}_{quantile}'))}"
        axes.plot(
            range(len(steps)),
            line,
            style,
            color=colour,
            lw=1.6,
            label=label,
            marker=mark,
            ms=_size(line),
            clip_on=False,
        )
    axes.set_ylim(bottom=min(0.0, axes.dataLim.y0))
    duration_ticks(axes)
    axes.grid(visible=False, axis="x")


def _size(line: Sequence[float]) -> float:
    """Return the size of points: smaller if there are more."""
    return min(7.0, 2.5 + 14 / sqrt(len(line)))


def _seconds(values: Values | None, name: str) -> float:
    value = values[name] if values else None
    return _or_nan(value if isinstance(value, int | float) else None)


def _or_nan(value: float | None) -> float:
    return nan if value is None else value
