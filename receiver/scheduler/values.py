"""From the scheduler's loosely typed values to plain ones. What cannot be read is None, never an error."""

import math
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

EPOCH_FLOOR = 1e9
"""Numbers from here on are moments (epoch seconds); smaller ones are spans of seconds."""
EPOCH_CEILING = 1e11
_GREATEST = 2**31 - 1
_LONGEST_ID = 128


def text_of(value: object) -> str | None:
    """A text; a whole number without its `.0`."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def id_of(value: object) -> str | None:
    """An id: a text of at most 128 characters without white space; None for anything else."""
    is_one = isinstance(value, str | int | float) and not isinstance(value, bool)
    text = (text_of(value) or "").strip() if is_one else ""
    return text if 0 < len(text) <= _LONGEST_ID and not any(map(str.isspace, text)) else None


def word_of(value: object) -> str | None:
    """A word of the scheduler's, in lower case."""
    text = text_of(value)
    return None if text is None else text.strip().lower()


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
    """A whole number that every store can hold, also where it came as a text; a fraction is cut off."""
    number = number_of(value)
    return None if number is None or abs(number) > _GREATEST else int(number)


def utc_epoch(text: str | None) -> float | None:
    """`YYYY-MM-DD HH:MM:SS[.ff]`, UTC unless it names a zone, in epoch seconds. None for the years with which
    an empty date is filled: 1, 1970, 9999.
    """
    try:
        moment = datetime.fromisoformat((text or "").strip())
        epoch = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return epoch if EPOCH_FLOOR <= epoch < EPOCH_CEILING else None


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
