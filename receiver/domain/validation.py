"""What is wrong with a value, in plain words: made from the types and limits of validation errors."""

from collections.abc import Mapping
from typing import Any

from receiver.errors import ErrorKind

WITHOUT_NUL = r"^[^\x00]+$"
"""Pattern of texts that PostgreSQL can store."""

_TEXTS = {
    "other": "has a value that is not accepted",
    "empty": "must not be empty",
    "no_entry": "must have at least one entry",
    "nul": "must not have the character NUL",
    "missing": "is required",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "finite_number": "must be a finite number",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "has another form than {pattern}",
    "string_type": "must be text",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "json_invalid": "is not JSON: {error}",
    "json_type": "must be JSON",
    "extra_forbidden": "is not known: check its spelling",
    "none_required": "must be left out",
    "invalid_key": "has a name that is not text",
}
"""Type of the error, or our name of a special case → text, with the names of its limits."""

_KINDS = {
    "int": "must be a whole number",
    "float": "must be a number",
    "decimal": "must be a number",
    "bool": "must be true or false",
    "url": "must be a URL such as https://host.example/path",
    "list": "must be a list",
    "tuple": "must be a list",
    "set": "must be a list",
    "dict": "must be a table of names and values",
    "mapping": "must be a table of names and values",
    "model": "must be a table of names and values",
    "string": "must be text",
    "datetime": "must be a date and time such as 2026-03-01T09:30:00Z",
    "date": "must be a day such as 2026-03-01",
}
"""First word of the type of an error → text."""


VALIDATION_TEXTS = {**_TEXTS, **_KINDS}
"""Name of the kind of an error → text."""


class RefusedValueError(ValueError):
    """A value that a validator refuses, with the kind of the error."""

    def __init__(self, text: str, kind: ErrorKind) -> None:
        super().__init__(text)
        self.kind = kind


def validation_text(error: Mapping[str, Any]) -> str:
    """Return the text of one error of `ValidationError.errors()`, without the value itself."""
    if _is_of_validator(error):
        return str(error["msg"]).split(", ", 1)[-1]
    limits = error.get("ctx", {})
    return VALIDATION_TEXTS[_name(error["type"], limits)].format_map(limits)


def validation_kind(error: Mapping[str, Any]) -> ErrorKind | None:
    """Return the kind of one error of `ValidationError.errors()`; None if a validator gives only a text."""
    limits = error.get("ctx", {})
    if _is_of_validator(error):
        refused = limits.get("error")
        return refused.kind if isinstance(refused, RefusedValueError) else None
    values = {name: value for name, value in limits.items() if isinstance(value, str | int | float)}
    return ErrorKind(_name(error["type"], limits), {name: _plain(value) for name, value in values.items()})


def _is_of_validator(error: Mapping[str, Any]) -> bool:
    return error["type"] in ("value_error", "assertion_error")


def _name(kind: str, limits: Mapping[str, Any]) -> str:
    """Return the name of the kind of an error. `kind`: its type."""
    if kind == "string_too_short" and limits["min_length"] == 1:
        return "empty"
    if kind == "too_short" and limits["min_length"] == 1:
        return "no_entry"
    if kind == "string_pattern_mismatch" and limits["pattern"] == WITHOUT_NUL:
        return "nul"
    if kind in _TEXTS:
        return kind
    first = kind.partition("_")[0]
    return first if first in _KINDS else "other"


def _plain(value: str | float) -> str | float:
    """Return a limit without English words: of the choices `'a', 'b' or 'c'` a list."""
    if isinstance(value, str):
        return value.replace("' or '", "', '")
    return int(value) if float(value).is_integer() else value
