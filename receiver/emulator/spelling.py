"""Odd spellings of values: empty values, numbers, identifiers in braces, times."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from itertools import cycle, islice
from typing import Any

Fields = Mapping[str, Any]
Change = Callable[[Fields], Fields]

WORDS = ("null", "undefined", "None", "[object Object]", "358-")
"""Spellings of an empty value; the last one is the prefix of an identifier."""

PLACEHOLDERS = ("{{{}}}", "%{}%", "${{{}}}")
"""Forms of variables in templates of URLs and bodies."""

EMPTY_DATES = ("0001-01-01T00:00:00", "1970-01-01 00:00:00", "9999-12-31 23:59:59", "0000-00-00 00:00:00")

_MSK = timezone(timedelta(hours=3))
_DIGITS = ("a_number", "b_number", "try_again_pause")


def as_they_are(fields: Fields) -> Fields:
    return fields


def numbers_as_floats(fields: Fields) -> Fields:
    """Turn `77` into `77.0`."""
    return {name: float(value) if _is_number(value) else value for name, value in fields.items()}


def numbers_as_texts(fields: Fields) -> Fields:
    return {name: str(value) if _is_number(value) else value for name, value in fields.items()}


def texts_as_numbers(fields: Fields) -> Fields:
    """Turn digits into numbers, also phone numbers, which lose their plus."""
    return {name: _number(value) if name in _DIGITS else value for name, value in fields.items()}


def words_for_nothing(fields: Fields) -> Fields:
    """Replace empty values by words; each task begins with another word."""
    words = islice(cycle(WORDS), fields["id"] % len(WORDS), None)
    return {name: next(words) if value in ("", None) else value for name, value in fields.items()}


def placeholders(fields: Fields) -> Fields:
    """Replace all values by placeholders."""
    patterns = cycle(PLACEHOLDERS)
    return {name: next(patterns).format(name) for name in fields}


def placeholders_for_nothing(fields: Fields) -> Fields:
    """Replace empty values by placeholders."""
    unexpanded = placeholders(fields)
    return {name: unexpanded[name] if value in ("", None) else value for name, value in fields.items()}


def braces(fields: Fields) -> Fields:
    """Put the call's GUID in braces and upper case, and the comment in braces that look like JSON."""
    call = fields.get("cdr")
    return {
        **fields,
        "cdr": f"{{{call.upper()}}}" if call else call,
        "finish_comment": f"{{{fields.get('finish_comment') or 'timeout'}}}",
    }


def moments(form: Callable[[int], str]) -> Change:
    """Return a change of `EventTime`, given in microseconds, to another form."""
    return lambda fields: {**fields, "EventTime": form(fields["EventTime"])}


def fourteen_digits(microseconds: int) -> str:
    return _utc(microseconds).strftime("%Y%m%d%H%M%S")


def nanoseconds(microseconds: int) -> str:
    return str(microseconds * 1000)


def moscow_time(microseconds: int) -> str:
    """Return the time in ISO 8601 with the zone `+03:00`."""
    return _utc(microseconds).astimezone(_MSK).isoformat(timespec="seconds")


def moscow_time_without_plus(microseconds: int) -> str:
    """Return the time with a space instead of the zone's plus, as in a badly escaped form."""
    return moscow_time(microseconds).replace("+", " ")


def empty_date(microseconds: int) -> str:
    return EMPTY_DATES[microseconds // 1_000_000 % len(EMPTY_DATES)]


def _utc(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1e6, UTC)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> object:
    digits = str(value).removeprefix("+")
    return int(digits) if digits.isascii() and digits.isdigit() else value
