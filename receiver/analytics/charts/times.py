"""Charts by time: success rate with counts of tasks, and durations."""

from collections.abc import Mapping, Sequence
from math import nan, sqrt
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from receiver.analytics.charts.chart import ChartContent
from receiver.analytics.charts.layout import ChartLayout, Plot, rate_ticks
from receiver.analytics.charts.palette import Palette
from receiver.analytics.charts.series import NO_SHARE, TimeStep, Values, by_time, is_weak, number_in, share_in
from receiver.analytics.charts.ticks import date_ticks, duration_ticks
from receiver.analytics.report import FEW


def _states(palette: Palette) -> Mapping[str, dict[str, Any]]:
    """Return count → style; in print the first two are dark and light gray."""
    looks: Mapping[str, dict[str, Any]] = {
        "succeeded": {"facecolor": palette.blue},
        "failed": {"facecolor": palette.failed},
        "unknown": {"facecolor": palette.orange, "hatch": "////"},
        "open": {"facecolor": palette.paper, "hatch": "\\\\\\\\"},
    }
    return {name: {"edgecolor": palette.ink, "lw": 0.4, **look} for name, look in looks.items()}


def trend(layout: ChartLayout, content: ChartContent) -> None:
    """Draw the success rate with its interval, and below it the tasks by state."""
    steps, total, words = by_time(content.report), content.report.total, content.words
    if not steps:
        layout.say(words.text("none.tasks"))
        return
    above, below = layout.axes(
        Plot(2.4, words.text("success_rate"), has_legend=True),
        Plot(1.3, words.text("tasks"), has_legend=True, below=0.45),
    )
    _rates(above, steps, content, layout.palette)
    if (overall := share_in(total, "success_rate").value) is not None:
        label = words.text("all", rate=words.percent(overall))
        above.axhline(overall, color=layout.palette.ink, lw=1, ls=(0, (5, 3)), label=label)
    above.set_ylim(0, 1)
    rate_ticks(above.yaxis)
    above.grid(visible=False, axis="x")
    layout.legend(above, 4)
    _stack(below, steps, content, layout.palette)
    layout.legend(below, 4)
    date_ticks((above, below), [each.first for each in steps], words)


def _rates(axes: Axes, steps: Sequence[TimeStep], content: ChartContent, palette: Palette) -> None:
    words = content.words
    shares = [share_in(step.values, "success_rate") if step.values else NO_SHARE for step in steps]
    low, high = [_or_nan(each.low) for each in shares], [_or_nan(each.high) for each in shares]
    band: dict[str, Any] = {"facecolor": palette.band, "edgecolor": palette.band_edge, "lw": 0.4}
    _columns(axes, low, high, label=words.text("wilson"), **band)
    line = [_or_nan(each.value) for each in shares]
    axes.plot(range(len(steps)), line, color=palette.blue, lw=1.6, label=words.text("rate"))
    weak = [at for at, step in enumerate(steps) if is_weak(step)]
    look: dict[str, Any] = {"color": palette.blue, "ms": _size(line), "clip_on": False}
    axes.plot(range(len(line)), line, "o", **look)
    if weak:
        label = words.text("weak", few=str(FEW))
        axes.plot(weak, [line[at] for at in weak], "o", mfc=palette.paper, label=label, **look)


def _columns(axes: Axes, low: Sequence[float], high: Sequence[float], **look: Any) -> None:
    heights = [above - below for below, above in zip(low, high, strict=True)]
    axes.bar(range(len(low)), heights, 0.8, low, **look)


def _stack(axes: Axes, steps: Sequence[TimeStep], content: ChartContent, palette: Palette) -> None:
    total, words = content.report.total, content.words
    low = [0] * len(steps)
    for name, look in _states(palette).items():
        numbers = [number_in(step.values, name) if step.values else 0 for step in steps]
        high = [below + number for below, number in zip(low, numbers, strict=True)]
        label = f"{words.text(f'state.{name}')} {words.brief(number_in(total, name))}"
        _columns(axes, low, high, label=label, **look)
        low = high
    axes.set_ylim(0, max(low) * 1.05)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda number, _: words.count(number)))
    axes.grid(visible=False, axis="x")


_DURATIONS = ("time_to_connect_s", "start_lateness_s")


def timing(layout: ChartLayout, content: ChartContent) -> None:
    """Draw median and 90th percentile of durations."""
    steps, total, words = by_time(content.report), content.report.total, content.words
    if not steps:
        layout.say(words.text("none.tasks"))
        return
    labels = [
        words.text(
            "timing.of_tasks",
            label=words.text(f"timing.{name}"),
            count=words.count(number_in(total, f"{name}_n")),
        )
        for name in _DURATIONS
    ]
    plots = layout.axes(*(Plot(1.5, label, has_legend=True, below=0.45) for label in labels))
    for axes, name in zip(plots, _DURATIONS, strict=True):
        _durations(axes, steps, name, content, layout.palette)
        layout.legend(axes, 2)
    date_ticks(plots, [each.first for each in steps], words)


def _durations(
    axes: Axes, steps: Sequence[TimeStep], name: str, content: ChartContent, palette: Palette
) -> None:
    total, words = content.report.total, content.words
    for quantile, style, mark, color in (("p90", "--", "^", palette.line), ("p50", "-", "o", palette.blue)):
        line = [_seconds(step.values, f"{name}_{quantile}") for step in steps]
        overall = words.duration(_seconds(total, f"{name}_{quantile}"))
        label = words.text("of_all", quantile=quantile, duration=overall)
        axes.plot(
            range(len(steps)),
            line,
            style,
            color=color,
            lw=1.6,
            label=label,
            marker=mark,
            ms=_size(line),
            clip_on=False,
        )
    axes.set_ylim(bottom=min(0.0, axes.dataLim.y0))
    duration_ticks(axes, words)
    axes.grid(visible=False, axis="x")


def _size(line: Sequence[float]) -> float:
    """Return the size of points: smaller if there are more."""
    return min(7.0, 2.5 + 14 / sqrt(len(line)))


def _seconds(values: Values | None, name: str) -> float:
    value = values[name] if values else None
    return _or_nan(value if isinstance(value, int | float) else None)


def _or_nan(value: float | None) -> float:
    return nan if value is None else value
