"""Queries of measures: which tasks, of which period, by which dimensions."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args

from receiver.analytics.rollup_parts import Basis, Slice
from receiver.domain.calendar import Calendar
from receiver.domain.frozen_record import frozen_record
from receiver.errors import InputError

Dimension = Literal[
    "account",
    "queue",
    "day",
    "week",
    "month",
    "hour",
    "weekday",
    "attempt",
    "gap",
    "reason",
    "leg",
    "word",
    "extension",
    "value",
]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)

SLICES: dict[Dimension, Slice] = {
    "attempt": "attempt",
    "gap": "attempt",
    "reason": "reason",
    "leg": "reason",
    "extension": "extension",
    "word": "word",
}
"""Dimension → its slice of the rollup, for dimensions other than place and time. A query reads one slice.
`value` is the value in a slice of durations.
"""

_YEARS = range(1970, 2100)
"""Years that a query may name. More would take long to search for changes of clocks."""

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@frozen_record
class AnalyticsQuery:
    """A query. `since`, `until`: epoch seconds, the end excluded; None for an open period. `account`,
    `queue_id`: only tasks of these. `accounts`, `queue_ids`: only tasks of one of these, if there are any.
    """

    basis: Basis
    calendar: Calendar
    by: tuple[Dimension, ...] = ()
    since: float | None = None
    until: float | None = None
    account: str | None = None
    queue_id: str | None = None
    slice: Slice = "all"
    accounts: tuple[str, ...] = ()
    queue_ids: tuple[str, ...] = ()


def slice_of(by: Sequence[Dimension]) -> Slice:
    """Return the slice that has these dimensions. Raises InputError if no slice has all of them."""
    slices = {SLICES[name]: name for name in by if name in SLICES}
    if "word" in slices:
        slices.pop("reason", None)  # words are counted by reason
    if len(slices) > 1:
        named = " and ".join(map(repr, slices.values()))
        message = f"{named} are not counted together: use one at a time, or export the attempts"
        raise InputError("by", message)
    return next(iter(slices), "all")


def read_by(text: str, allowed: Sequence[Dimension]) -> tuple[Dimension, ...]:
    """Read dimensions, separated by commas. Raises InputError."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in allowed]
    if unknown:
        raise InputError("by", f"{unknown[0]!r} is none of {', '.join(allowed)}")
    return tuple(name for name in DIMENSIONS if name in names)


def read_period(
    since: str | None, until: str | None, calendar: Calendar, prefix: str = ""
) -> tuple[float | None, float | None]:
    """Read a period: days of the zone, the last one included, or moments on a full hour of the zone.
    `prefix`: of the fields' names. Raises InputError.
    """
    first = _bound(f"{prefix}since", since, calendar)
    end = _bound(f"{prefix}until", until, calendar, is_end=True)
    if first is not None and end is not None and end <= first:
        message = f"the period ends before it begins: use an end later than `{prefix}since`"
        raise InputError(f"{prefix}until", message)
    return first, end


def _bound(field: str, text: str | None, calendar: Calendar, *, is_end: bool = False) -> float | None:
    if text is None:
        return None
    try:
        day = None if "T" in text or ":" in text else date.fromisoformat(text)
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        if moment.year not in _YEARS:
            raise ValueError
    except ValueError:
        message = "a day such as 2026-03-01, or a moment such as 2026-03-01T09:00:00Z; from 1970 to 2099"
        raise InputError(field, message) from None
    if day is not None:
        return calendar.starts(day + timedelta(days=1 if is_end else 0))
    at = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    if (at + calendar.offset(at)) % 3600:
        raise InputError(field, f"outcomes are counted by hours: use a full hour of {calendar.name}")
    return at
