"""From the scheduler's loosely typed values to plain ones. What cannot be read is None, never an error."""

import math
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

EPOCH_FLOOR = 1e9
"""Numbers from here on are moments (epoch seconds); smaller ones are spans of seconds."""
EPOCH_CEILING = 1e11


def text_of(value: object) -> str | None:
    """A text; a whole number without its `.0`."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def number_of(value: object) -> float | None:
    """A finite number, also where it came as a text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def whole_of(value: object) -> int | None:
    """A whole number, also where it came as a text; a fraction is cut off."""
    number = number_of(value)
    return None if number is None else int(number)


def utc_epoch(text: str | None) -> float | None:
    """`YYYY-MM-DD HH:MM:SS[.ff]`, UTC unless it names a zone, in epoch seconds."""
    try:
        moment = datetime.fromisoformat((text or "").strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def utc_text(epoch: float) -> str:
    """Epoch seconds as `YYYY-MM-DD HH:MM:SS`, UTC; fractions are cut off."""
    return datetime.fromtimestamp(int(epoch), UTC).strftime("%Y-%m-%d %H:%M:%S")


def start_epoch(value: str | float | None, created_at: float | None) -> float | None:
    """A start time in epoch seconds: a datetime, an epoch, or seconds after `created_at`."""
    number = number_of(value)
    if number is None:
        return utc_epoch(value) if isinstance(value, str) else None
    if EPOCH_FLOOR <= number < EPOCH_CEILING:
        return number
    return created_at + number if created_at is not None and 0 <= number < EPOCH_FLOOR else None


def url_key(url: str) -> str:
    """A URL as it is compared: a server may change the host's case or the percent-encoding."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return url.strip()
    return f"{parts.netloc.lower()}{unquote(parts.path)}?{unquote(parts.query)}"
