"""Moments as epoch seconds, UTC: as people and APIs write them, and as hooks do."""

import re
from datetime import UTC, datetime

_FIRST, _END = 1e9, 1e11
"""Epoch seconds of the earliest moment that a hook is believed (2001), and of the first that it is not
(5138). Empty dates, such as those of the years 1, 1970 and 9999, lie outside.
"""


_LOST_PLUS = re.compile(r" (?=\d\d:?\d\d$)")
"""What was a plus before a sender left it unescaped in a form."""


_UNITS = {10: 1.0, 13: 1e3, 16: 1e6, 19: 1e9}
"""Number of digits of a present-day moment → units in one second."""


_DATES_OF_DIGITS = {12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S", 17: "%Y%m%d%H%M%S%f"}
"""Number of digits → the date that they may be. As ms or µs each number would be of another age."""


def read_time(text: str | None) -> float | None:
    """A moment in s, ms or µs since the epoch (told apart by size) or in ISO form, UTC."""
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return _read_date(text)
    if not _FIRST <= number < 1e17:
        return None
    return number if number < _END else number / 1e3 if number < 1e14 else number / 1e6


def read_moment(text: str) -> float | None:
    """The same as a hook may write it: also in ns, as the digits of a date, or with a plus that became a
    space. None for an empty date.
    """
    unit = _UNITS.get(len(text))
    if unit is not None and text.isdecimal() and (at := float(text) / unit) >= _FIRST:
        return at
    moment = read_time(text)
    if len(text) in _DATES_OF_DIGITS and text.isdecimal():
        date = _read_digits(text)
        moment = moment if date is None and text[0] != "0" else date
    elif moment is None:
        moment = _read_date(_LOST_PLUS.sub("+", text))
    return moment if moment is not None and _FIRST <= moment < _END else None


def _read_digits(text: str) -> float | None:
    try:
        return datetime.strptime(text, _DATES_OF_DIGITS[len(text)]).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _read_date(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


_EARLIEST = datetime.min.replace(tzinfo=UTC).timestamp()


_LATEST = datetime.max.replace(microsecond=0, tzinfo=UTC).timestamp()


def iso(at: float) -> str:
    """A moment as ISO 8601, UTC, with milliseconds; what no calendar has is its first or last second."""
    moment = datetime.fromtimestamp(min(max(at, _EARLIEST), _LATEST), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
