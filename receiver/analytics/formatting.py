"""Formatting of numbers, periods and names for people."""

from datetime import UTC, datetime
from typing import Literal

from receiver.analytics.intervals import Share
from receiver.analytics.query import AnalyticsQuery
from receiver.analytics.report import MeasureReport
from receiver.analytics.rollup_parts import Basis
from receiver.domain.calendar import Calendar

NOTHING = "–"

BASIS: dict[Basis, str] = {
    "created": "by creation",
    "finished": "by finish",
    "planned": "by planned start",
    "started": "by start",
}

INTERVALS = (
    "The interval beside a share (95 %, Wilson) holds the true rate in 95 of 100 such reports. The fewer "
    "tasks, the wider it is. If two intervals overlap widely, their difference may be chance."
)
"""Explanation of intervals, for people."""

_TO_THE_MINUTE = "%Y-%m-%d %H:%M"
_MOST_NAME = 40
_LAST_KNOWN = 0x04FF
"""Last character of Cyrillic; fonts may lack later ones."""


def count(number: float) -> str:
    """Format a whole number: 12,345."""
    return f"{number:,.0f}"


def short_count(number: int) -> str:
    """Format a count in at most four characters: 999, 1.2k, 12k, 3.4M."""
    for factor, letter in ((1_000_000, "M"), (1_000, "k")):
        value = number / factor
        if value >= 0.9995:
            return (f"{value:.1f}" if value < 9.95 else f"{value:.0f}") + letter
    return str(number)


def brief(number: int) -> str:
    """Format a count, from 100,000 on in short: 12,345, 120k."""
    return count(number) if number < 100_000 else short_count(number)


def number(value: float | None) -> str:
    """Format a number without trailing zeros: 3, 2.5."""
    return NOTHING if value is None else f"{value:g}"


def percent(value: float | None) -> str:
    """Format a share: 63.2 %."""
    return NOTHING if value is None else f"{100 * value:.1f} %"


def interval(share: Share) -> str:
    """Format the 95 % interval of a share: 62.1–64.3 %."""
    return NOTHING if share.low is None or share.high is None else _between(share.low, share.high)


def _between(low: float, high: float) -> str:
    return f"{100 * low:.1f}–{100 * high:.1f} %"


def rate(share: Share) -> str:
    """Format a share with its interval."""
    return f"{percent(share.value)} ({interval(share)})" if share.n else NOTHING


def duration(seconds: float | None) -> str:
    """Format a duration with two digits: 5.8 s, 12 min, 1.5 h."""
    if seconds is None:
        return NOTHING
    units = ((1, 120, "s"), (60, 7200, "min"), (3600, 172_800, "h"), (86_400, float("inf"), "days"))
    size, unit = next((size, unit) for size, most, unit in units if seconds < most)
    return f"{seconds / size:.2g} {unit}" if seconds / size < 10 else f"{seconds / size:.0f} {unit}"


def name(text: str) -> str:
    """Shorten a name of others, and replace characters that fonts may lack."""
    plain = "".join(char if char.isprintable() and ord(char) <= _LAST_KNOWN else "?" for char in text)
    return plain if len(plain) <= _MOST_NAME else f"{plain[: _MOST_NAME - 1]}…"


def scope_of(report: MeasureReport) -> str:
    """Format what a report counts, of which period, and of whose tasks."""
    query = report.query
    counted = basis_of(report.measure.counts, query.basis)
    dates = period(query.calendar, query.since, query.until)
    return f"{counted}, {dates} ({query.calendar.name}), {whose(query)}"


def whose(query: AnalyticsQuery) -> str:
    """Format account and queue of a query."""
    accounts = (query.account,) if query.account is not None else query.accounts
    queues = (query.queue_id,) if query.queue_id is not None else query.queue_ids
    return f"{_those('account', accounts)}, {_those('queue', queues)}"


def _those(kind: str, names: tuple[str, ...]) -> str:
    """Format the names of accounts or queues; without names all are meant."""
    if not names:
        return f"all {kind}s"
    return f"{kind}{'s' if len(names) > 1 else ''} {', '.join(map(name, names))}"


def period(calendar: Calendar, since: float | None, until: float | None) -> str:
    """Format a period in local time; the last day is included."""
    first, last = period_bounds(calendar, since, until)
    if first is None:
        return "all time" if last is None else f"to {last}"
    if last is None:
        return f"from {first} on"
    return first if first == last else f"{first} to {last}"


def period_bounds(
    calendar: Calendar, since: float | None, until: float | None
) -> tuple[str | None, str | None]:
    """Format the bounds of a period in local time; equal if it is one day."""
    in_days = all(_begins_day(calendar, at) for at in (since, until) if at is not None)
    form = "%Y-%m-%d" if in_days else _TO_THE_MINUTE
    first = None if since is None else f"{_local(calendar, since):{form}}"
    last = None if until is None else f"{_local(calendar, until - in_days):{form}}"
    return first, last


def _begins_day(calendar: Calendar, at: float) -> bool:
    return calendar.day(at - 1) < calendar.day(at)


def _local(calendar: Calendar, at: float) -> datetime:
    return datetime.fromtimestamp(at + calendar.offset(at), UTC)


def moment(calendar: Calendar, at: float) -> str:
    """Format a moment in local time, to the minute."""
    return f"{_local(calendar, at):{_TO_THE_MINUTE}}"


def basis_of(counts: Literal["tasks", "attempts"], basis: Basis) -> str:
    """Format what is counted, and by which moment."""
    of_task = " of their task" if counts == "attempts" and basis != "started" else ""
    return f"{counts} {BASIS[basis]}{of_task}"
