"""How senders spell values: what is empty, numbers, identifiers in braces, moments."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from itertools import cycle, islice
from typing import Any

Fields = Mapping[str, Any]
Change = Callable[[Fields], Fields]

WORDS = ("null", "undefined", "None", "[object Object]", "358-")
"""What stands where there is nothing; the last is an identifier of which only the prefix is there."""

PLACEHOLDERS = ("{{{}}}", "%{}%", "${{{}}}")
"""How variables are written in templates of URLs and bodies."""

EMPTY_DATES = ("0001-01-01T00:00:00", "1970-01-01 00:00:00", "9999-12-31 23:59:59", "0000-00-00 00:00:00")

_MSK = timezone(timedelta(hours=3))
_DIGITS = ("a_number", "b_number", "try_again_pause")


def as_they_are(fields: Fields) -> Fields:
    return fields


def numbers_as_floats(fields: Fields) -> Fields:
    """`77` becomes `77.0`."""
    return {name: float(value) if _is_number(value) else value for name, value in fields.items()}


def numbers_as_texts(fields: Fields) -> Fields:
    return {name: str(value) if _is_number(value) else value for name, value in fields.items()}


def texts_as_numbers(fields: Fields) -> Fields:
    """What consists of digits becomes a number, phone numbers too: a plus before them is lost."""
    return {name: _number(value) if name in _DIGITS else value for name, value in fields.items()}


def words_for_nothing(fields: Fields) -> Fields:
    """Each task begins with another word."""
    words = islice(cycle(WORDS), fields["id"] % len(WORDS), None)
    return {name: next(words) if value in ("", None) else value for name, value in fields.items()}


def placeholders(fields: Fields) -> Fields:
    """No value was put in."""
    patterns = cycle(PLACEHOLDERS)
    return {name: next(patterns).format(name) for name in fields}


def placeholders_for_nothing(fields: Fields) -> Fields:
    """Where there is no value, the name of the variable stays."""
    unexpanded = placeholders(fields)
    return {name: unexpanded[name] if value in ("", None) else value for name, value in fields.items()}


def braces(fields: Fields) -> Fields:
    """A GUID in braces and capitals, and a comment that looks like JSON and is none."""
    call = fields.get("cdr")
    return {
        **fields,
        "cdr": f"{{{call.upper()}}}" if call else call,
        "finish_comment": f"{{{fields.get('finish_comment') or 'timeout'}}}",
    }


def moments(form: Callable[[int], str]) -> Change:
    """`EventTime`, which is in microseconds, in another form."""
    return lambda fields: {**fields, "EventTime": form(fields["EventTime"])}


def fourteen_digits(microseconds: int) -> str:
    return _utc(microseconds).strftime("%Y%m%d%H%M%S")


def nanoseconds(microseconds: int) -> str:
    return str(microseconds * 1000)


def moscow_time(microseconds: int) -> str:
    """ISO with the zone `+03:00`."""
    return _utc(microseconds).astimezone(_MSK).isoformat(timespec="seconds")


def moscow_time_without_plus(microseconds: int) -> str:
    """The same after a form was read: the plus of the zone is a space."""
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
