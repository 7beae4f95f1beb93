"""Read and write moments as epoch seconds, UTC: of people, APIs, hooks and HTTP headers."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

EPOCH_FLOOR, EPOCH_CEILING = 1e9, 1e11
"""Plausible epoch seconds: from 2001 to before 5138. Empty dates, such as those of the years 1, 1970 and
9999, lie outside. Smaller numbers are durations.
"""

_LOST_PLUS = re.compile(r" (?=\d\d:?\d\d$)")
"""The space from an unescaped plus in a form."""

_UNITS = {10: 1.0, 13: 1e3, 16: 1e6, 19: 1e9}
"""Number of digits of a present-day moment → units in one second."""

_DATES_OF_DIGITS = {12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S", 17: "%Y%m%d%H%M%S%f"}
"""Number of digits → format of the date. As ms or µs such a number would be implausible."""

_EARLIEST = datetime.min.replace(tzinfo=UTC).timestamp()
_LATEST = datetime.max.replace(microsecond=0, tzinfo=UTC).timestamp()


def read_time(text: str | None) -> float | None:
    """Return a moment given in s, ms or µs since the epoch (by its size) or in ISO form, UTC."""
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return _read_date(text)
    if not EPOCH_FLOOR <= number < 1e17:
        return None
    return number if number < EPOCH_CEILING else number / 1e3 if number < 1e14 else number / 1e6


def read_moment(text: str | None) -> float | None:
    """Return a moment as hooks and the scheduler's API write it: also in ns, as the digits of a date, or with
    a space for a plus. None for an empty date.
    """
    text = (text or "").strip()
    unit = _UNITS.get(len(text))
    if unit is not None and text.isdecimal() and (at := float(text) / unit) >= EPOCH_FLOOR:
        return at
    moment = read_time(text)
    if len(text) in _DATES_OF_DIGITS and text.isdecimal():
        date = _read_digits(text)
        moment = moment if date is None and text[0] != "0" else date
    elif moment is None:
        moment = _read_date(_LOST_PLUS.sub("+", text))
    return moment if moment is not None and EPOCH_FLOOR <= moment < EPOCH_CEILING else None


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


def read_retry_after(text: str | None, now: float) -> float | None:
    """Return the seconds of a Retry-After header, which holds seconds or a date; None if it holds neither."""
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    at = read_http_date(text)
    return None if at is None else max(0.0, at - now)


def read_http_date(text: str | None) -> float | None:
    """Return the epoch seconds of a date in an HTTP header."""
    try:
        moment = parsedate_to_datetime(text or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def iso(at: float) -> str:
    """Return a moment in ISO 8601, UTC, with milliseconds. Moments outside the calendar become its ends."""
    moment = datetime.fromtimestamp(min(max(at, _EARLIEST), _LATEST), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc_text(epoch: float) -> str:
    """Return epoch seconds as `YYYY-MM-DD HH:MM:SS`, UTC, as the scheduler's API takes it."""
    return datetime.fromtimestamp(int(epoch), UTC).strftime("%Y-%m-%d %H:%M:%S")
