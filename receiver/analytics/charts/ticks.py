"""Ticks of axes of days, at the places 0, 1, 2, …, and of durations."""

from collections.abc import Callable, Sequence
from datetime import date

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MultipleLocator

from receiver.analytics.charts.words import ChartWords

_LEAST_PLACES = 4
_MOST_TICKS = 7

_STEPS = (
    *(1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800),
)
"""Possible seconds between ticks."""


def date_ticks(plots: Sequence[Axes], days: Sequence[date], words: ChartWords) -> None:
    """Set the same days on all plots, with labels on the last one."""
    places, labels = ticks(days, words.listed("months"))
    spare = max(0, _LEAST_PLACES - len(days)) / 2
    for axes in plots:
        axes.set_xlim(-0.6 - spare, len(days) - 0.4 + spare)
        axes.set_xticks(places, labels if axes is plots[-1] else [""] * len(places))


def ticks(days: Sequence[date], months: Sequence[str]) -> tuple[list[int], list[str]]:
    """Return places and labels of as many days as fit: all, Mondays, or first days of months. `months`: their
    names.
    """
    choices = ([at for at in range(len(days)) if choose(days, at)] for choose in _CHOICES)
    chosen = next((some for some in choices if 0 < len(some) <= _MOST_TICKS), [0, len(days) - 1])
    labels: list[str] = []
    year = None
    for day in (days[at] for at in chosen):
        # Two lines each, else those with a year would hang lower.
        labels.append(f"{day.day} {months[day.month - 1]}\n{'' if day.year == year else day.year}")
        year = day.year
    return chosen, labels


def duration_ticks(axes: Axes, words: ChartWords) -> None:
    """Set at most five steps of a usual length."""
    low, high = axes.get_ylim()
    step = next((each for each in _STEPS if (high - low) / each <= 5), _STEPS[-1])
    axes.yaxis.set_major_locator(MultipleLocator(step))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda seconds, _: _clock(seconds, words)))


def _clock(seconds: float, words: ChartWords) -> str:
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{seconds / size:.0f} {words.text(f'unit.{unit}')}" if seconds else "0"


_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


Choice = Callable[[Sequence[date], int], bool]


def _every(step: int) -> Choice:
    return lambda _days, at: at % step == 0


def _mondays(step: int) -> Choice:
    return lambda days, at: days[at].toordinal() % (7 * step) == 1


def _months(step: int) -> Choice:
    """Choose the first day of each month, or the first day with data."""
    return lambda days, at: (
        (days[at].month - 1) % step == 0 and (at == 0 or days[at - 1].month != days[at].month)
    )


_CHOICES = (_every(1), _every(2), _mondays(1), _mondays(2), *map(_months, (1, 2, 3, 6, 12)))
