"""Series of a chart from a report, in the order of drawing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from receiver.analytics.charts.words import ChartWords
from receiver.analytics.intervals import Share, share
from receiver.analytics.query import Dimension
from receiver.analytics.report import FEW, MeasureReport, Value
from receiver.analytics.rollup_parts import GAPS
from receiver.domain.frozen_record import frozen_record

Values = Mapping[str, Value]

LEGS = ("a", "b", "unknown")
_MOST_ATTEMPTS = 10
_MOST_PLACES = 20
_MANY_OPEN = 0.1
_LATER = 4
"""Attempt from which on pauses are drawn together."""

NO_SHARE = share(0, 0)


class TimeStep(NamedTuple):
    """A day, week or month. `first`: its first day; `values`: None without data."""

    first: date
    values: Values | None


class Rate(NamedTuple):
    """A share with its label."""

    label: str
    share: Share


@frozen_record
class FailureGroup:
    """A reason: its share in tasks without success, and its tasks by failed leg."""

    reason: str
    share: Share
    legs: Mapping[str, int]


def is_few(share: Share) -> bool:
    return share.n < FEW


def is_weak(step: TimeStep) -> bool:
    """Whether the success rate is unreliable: few finished tasks, or many open ones. Successes end first."""
    values = step.values
    if values is None:
        return False
    return is_few(share_in(values, "success_rate")) or (
        number_in(values, "open") > _MANY_OPEN * number_in(values, "tasks")
    )


def share_in(values: Values, name: str) -> Share:
    """Return the share with this name."""
    value = values[name]
    return value if isinstance(value, Share) else NO_SHARE


def number_in(values: Values, name: str) -> int:
    """Return the count with this name."""
    value = values[name]
    return value if isinstance(value, int) else 0


def together(shares: Iterable[Share]) -> Share:
    """Return the share of all together."""
    listed = list(shares)
    return share(sum(one.k for one in listed), sum(one.n for one in listed))


def by_time(report: MeasureReport) -> Sequence[TimeStep]:
    """Return all days, weeks or months from the first to the last, also those without data."""
    (length,) = report.query.by
    known = {_first_day(line.key[0]): line.values for line in report.lines}
    if not known:
        return []
    steps = [min(known)]
    while steps[-1] < max(known):
        steps.append(_next(steps[-1], length))
    return [TimeStep(first, known.get(first)) for first in steps]


def _first_day(text: str) -> date:
    """Return the first day of a text such as 2026-03, 2026-W12 or 2026-03-01."""
    return date.fromisoformat(text if len(text) > 7 or "W" in text else f"{text}-01")


def _next(first: date, length: Dimension) -> date:
    if length == "month":
        return (first + timedelta(31)).replace(day=1)
    return first + timedelta(7 if length == "week" else 1)


def by_hour(report: MeasureReport) -> Mapping[tuple[int, int], Share]:
    """Return (weekday from 0, hour) → yield."""
    return {
        (int(weekday[0]) - 1, int(hour)): share_in(values, "yield")
        for (hour, weekday), values in ((line.key, line.values) for line in report.lines)
    }


def by_attempt(report: MeasureReport) -> Sequence[Rate]:
    """Return the yield of each attempt; from the tenth on together."""
    labels: dict[str, list[Share]] = defaultdict(list)
    numbers = [int(line.key[0]) for line in report.lines]
    for number, line in zip(numbers, report.lines, strict=True):
        is_late = number >= _MOST_ATTEMPTS and max(numbers) > _MOST_ATTEMPTS
        label = f"{_MOST_ATTEMPTS}+" if is_late else str(number)
        labels[label].append(share_in(line.values, "yield"))
    return [Rate(label, together(shares)) for label, shares in labels.items()]


def by_place(report: MeasureReport) -> Sequence[Rate]:
    """Return the success rate of the queues or accounts with the most finished tasks, in their order."""
    names = report.queue_names if report.query.by == ("queue",) else {}
    keys = [line.key[0] for line in report.lines]
    shares = (share_in(line.values, "success_rate") for line in report.lines)
    rates = [Rate(names.get(key, key), each) for key, each in zip(keys, shares, strict=True)]
    least = sorted((rate.share.n for rate in rates), reverse=True)[:_MOST_PLACES]
    return [rate for rate in rates if rate.share.n >= least[-1]][:_MOST_PLACES]


def failures(report: MeasureReport) -> Sequence[FailureGroup]:
    """Return reasons of tasks without success, the most frequent first and unknown ones last."""
    legs: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(LEGS, 0))
    for line in report.lines:
        reason, leg = line.key
        legs[reason][leg if leg in LEGS else "unknown"] += number_in(line.values, "tasks")
    failed = number_in(report.total, "tasks")
    found = [FailureGroup(reason, share(sum(of.values()), failed), of) for reason, of in legs.items()]
    return sorted(found, key=lambda each: (each.reason == "unknown", -each.share.k, each.reason))


def by_pause(report: MeasureReport, words: ChartWords) -> Mapping[str, Sequence[Rate]]:
    """Return attempt → its yield by the class of the pause before it."""
    found: dict[str, dict[str, list[Share]]] = defaultdict(lambda: defaultdict(list))
    for line in report.lines:
        attempt, gap = int(line.key[0]), line.key[1]
        if attempt > 1:
            name = str(attempt) if attempt < _LATER else words.text("later", number=str(_LATER))
            found[name][gap].append(share_in(line.values, "yield"))
    return {
        name: [Rate(gap_label(gap, words), together(gaps[gap])) for gap in GAP_ORDER if gap in gaps]
        for name, gaps in found.items()
    }


GAP_ORDER = ("0", *map(str, GAPS), "")
"""Classes of pauses by lower bound; last the unknown ones."""


def gap_label(gap: str, words: ChartWords) -> str:
    """Format a class of pauses."""
    if not gap:
        return words.text("not_known")
    low = int(gap)
    high = next((bound for bound in GAPS if bound > low), None)
    if high is None:
        number, unit = _in_units(low, words)
        return words.text("or_more", number=number, unit=unit)
    (number, unit), (most, most_unit) = _in_units(low, words), _in_units(high, words)
    if low == 0:
        return words.text("below", number=most, unit=most_unit)
    return f"{number}–{most} {unit}" if unit == most_unit else f"{number} {unit}–{most} {most_unit}"


def _in_units(seconds: int, words: ChartWords) -> tuple[str, str]:
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= size or size == 1)
    return words.number(seconds / size), words.text(f"unit.{unit}")


_UNITS = ((3600, "h"), (60, "min"), (1, "s"))
