"""Turn the scheduler's loosely typed values into plain ones. An unreadable value is None, never an error."""

import math
from urllib.parse import unquote, urlsplit

from receiver.domain.moments import EPOCH_CEILING, EPOCH_FLOOR, read_moment

_MAX_WHOLE = 2**31 - 1
_MAX_ID = 128


def text_of(value: object) -> str | None:
    """Return a text; a whole number loses its `.0`."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def id_of(value: object) -> str | None:
    """Return an id: a text of at most 128 characters without white space."""
    is_one = isinstance(value, str | int | float) and not isinstance(value, bool)
    text = (text_of(value) or "").strip() if is_one else ""
    return text if 0 < len(text) <= _MAX_ID and not any(map(str.isspace, text)) else None


def word_of(value: object) -> str | None:
    """Return a word of the scheduler in lower case."""
    text = text_of(value)
    return None if text is None else text.strip().lower()


def number_of(value: object) -> float | None:
    """Return a finite number, also from a text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def whole_of(value: object) -> int | None:
    """Return a whole number that fits into 31 bits, also from a text; cut off a fraction."""
    number = number_of(value)
    return None if number is None or abs(number) > _MAX_WHOLE else int(number)


def start_epoch(value: str | float | None, created_at: float | None) -> float | None:
    """Return a start in epoch seconds, given as a datetime, an epoch, or seconds after `created_at`."""
    number = number_of(value)
    if number is None:
        return read_moment(value) if isinstance(value, str) else None
    if EPOCH_FLOOR <= number < EPOCH_CEILING:
        return number
    return created_at + number if created_at is not None and 0 <= number < EPOCH_FLOOR else None


def url_key(url: str) -> str:
    """Return a URL for comparison: servers change the case of the host and the percent-encoding."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return url.strip()
    return f"{parts.netloc.lower()}{unquote(parts.path)}?{unquote(parts.query)}"
