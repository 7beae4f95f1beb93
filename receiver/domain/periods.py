"""Read the moments and periods that people type: days, dates with times, ages such as 2h, and names."""

import re
from datetime import date, datetime, timedelta
from typing import NamedTuple

from receiver.domain.calendar import DAY_S, HOUR_S, Calendar, date_of
from receiver.domain.moments import read_time
from receiver.domain.suggestions import unknown_name
from receiver.errors import ErrorKind, InputError

MOMENTS = "2026-03-01, '2026-03-01 09:30', 2026-03-01T09:30:00Z, today, yesterday, 2h, 7d or epoch seconds"
"""Examples of every form of a moment, for errors and help texts."""

AGES = "90s, 30min, 2h, 7d or 4w"

PERIODS = ("today", "yesterday", "this-week", "last-week", "this-month", "last-month")

_UNITS = {"s": 1, "m": 60, "min": 60, "h": HOUR_S, "d": DAY_S, "w": 7 * DAY_S}
"""Unit of an age → seconds."""

_AGE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?) ?(s|m|min|h|d|w)(?: ago)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MONTH = re.compile(r"\d{4}-\d\d")
_LOST_PLUS = re.compile(r" (?=\d\d:?\d\d$)")
_YEARS = range(1970, 2100)


class Period(NamedTuple):
    """A period in epoch seconds, the end excluded; None for an open side."""

    since: float | None = None
    until: float | None = None


class PeriodReader(NamedTuple):
    """Reads moments and periods in a zone. `now`: epoch seconds, from which ages count."""

    calendar: Calendar
    now: float

    def moment(self, field: str, text: str, *, is_end: bool = False) -> float:
        """Return a moment. A day is its first moment, or with `is_end` the first moment after it.

        A date and time without a zone is of the reader's zone. Raises InputError.
        """
        text = text.strip()
        day = self._day(text)
        if day is not None:
            return self.calendar.starts(day + timedelta(days=1 if is_end else 0))
        age = read_age(text)
        if age is not None:
            return self.now - age
        at = self.now if text.lower() == "now" else self._date_and_time(text)
        if at is None:
            raise InputError(field, f"not a moment: {text[:40]!r}; use {MOMENTS}", ErrorKind("moment"))
        return at

    def named(self, field: str, name: str) -> Period:
        """Return a period by its name, or a day or month such as 2026-03. Raises InputError."""
        first, end = self._days(name.strip().lower())
        if first is None or end is None:
            text = unknown_name("period", name[:40], PERIODS)
            raise InputError(field, f"{text}, or a day or month such as 2026-03-01 or 2026-03")
        return Period(self.calendar.starts(first), self.calendar.starts(end))

    def last(self, field: str, text: str) -> Period:
        """Return the period of this age until now. Raises InputError."""
        age = read_age(text.strip())
        if age is None:
            raise InputError(field, f"not a length of time: {text[:40]!r}; use {AGES}")
        return Period(self.now - age, None)

    @property
    def today(self) -> date:
        return date_of(self.calendar.day(self.now))

    def _day(self, text: str) -> date | None:
        """Return the day that the text names, if it names one."""
        named = {"today": self.today, "yesterday": self.today - timedelta(days=1)}
        if text.lower() in named or not _DAY.fullmatch(text):
            return named.get(text.lower())
        try:
            day = date.fromisoformat(text)
        except ValueError:
            return None
        return day if day.year in _YEARS else None

    def _date_and_time(self, text: str) -> float | None:
        try:
            moment = datetime.fromisoformat(_LOST_PLUS.sub("+", text) if "T" in text else text)
        except ValueError:
            return read_time(text)
        if moment.year not in _YEARS:
            return None
        return read_time(text) if text.isdecimal() else self.calendar.epoch(moment)

    def _days(self, name: str) -> tuple[date | None, date | None]:
        """Return the first day of a period, and the day after it."""
        today, day, week = self.today, timedelta(days=1), timedelta(days=7)
        monday, first = today - today.weekday() * day, today.replace(day=1)
        before = (first - day).replace(day=1)
        named = {
            "today": (today, today + day),
            "yesterday": (today - day, today),
            "this-week": (monday, monday + week),
            "last-week": (monday - week, monday),
            "this-month": (first, _next_month(first)),
            "last-month": (before, first),
        }
        if _MONTH.fullmatch(name) and (month := self._day(f"{name}-01")):
            return month, _next_month(month)
        chosen = self._day(name)
        return named.get(name, (chosen, chosen + day if chosen else None))


def read_age(text: str) -> float | None:
    """Return the seconds of an age such as 2h, 30min or 7d; None for other texts."""
    found = _AGE.fullmatch(text.lower())
    return float(found[1]) * _UNITS[found[2]] if found else None


def age_text(seconds: float) -> str:
    """Return an age for people: `12 s ago`, `3 min ago`, `5 h ago`, `12 d ago`; `in 3 min` for the future."""
    size = abs(seconds)
    unit, name = next((unit, name) for unit, most, name in _SHOWN_UNITS if size < most)
    number = f"{int(size // unit)} {name}"
    return f"{number} ago" if seconds >= 0 else f"in {number}"


_SHOWN_UNITS = (
    (1, 60, "s"),
    (60, HOUR_S, "min"),
    (HOUR_S, 2 * DAY_S, "h"),
    (DAY_S, 730 * DAY_S, "d"),
    (365 * DAY_S, float("inf"), "y"),
)
"""Seconds of a unit, the age in seconds from which on it is not used, and its name."""


def _next_month(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)
