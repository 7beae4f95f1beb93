"""What is wrong with a value, in plain words: made from the types and limits of validation errors."""

from collections.abc import Mapping
from typing import Any

WITHOUT_NUL = r"^[^\x00]+$"
"""Pattern of texts that PostgreSQL can store."""

_TEXTS = {
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
"""Type of the error → text, with the names of its limits."""

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


def validation_text(error: Mapping[str, Any]) -> str:
    """Return the text of one error of `ValidationError.errors()`, without the value itself."""
    kind, limits = error["type"], error.get("ctx", {})
    if kind in ("value_error", "assertion_error"):
        return str(error["msg"]).split(", ", 1)[-1]
    if kind == "string_too_short" and limits["min_length"] == 1:
        return "must not be empty"
    if kind == "too_short" and limits["min_length"] == 1:
        return "must have at least one entry"
    if kind == "string_pattern_mismatch" and limits["pattern"] == WITHOUT_NUL:
        return "must not have the character NUL"
    text = _TEXTS.get(kind) or _KINDS.get(kind.partition("_")[0], "has a value that is not accepted")
    return text.format_map(limits)
