"""Read values of hooks: ids, words, numbers. A text without meaning or with a fault gives an empty value."""

import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

MAX_ID = 128
"""Maximum characters of an id or a phone number: PostgreSQL cannot index much longer ones."""

_NOTHING = frozenset(
    (
        "null",
        "(null)",
        "<null>",
        "undefined",
        "none",
        "nil",
        "nan",
        "n/a",
        "[object object]",
        "[object]",
        "[]",
        "{}",
    )
)
"""Texts that programs write for a missing value."""

_NIL = "00000000-0000-0000-0000-000000000000"
_NO_ID = _NOTHING | frozenset(("0", "-1", "-", "false", "unknown", "empty", _NIL))

_LONGEST_NOTHING = max(len(word) for word in _NO_ID - {_NIL})

_UUID = r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}"
_BRACED = re.compile(rf"[{{(\[<]\s*({_UUID}|\d+)\s*[}})\]>]")
_QUOTED = re.compile(r"""(["'])(.*)\1""", re.DOTALL)
_PLACEHOLDERS = (
    r"[$#%@]?\{{1,3}\s*([^\W\d][^{}\n]{0,80}?)\s*\}{1,3}",
    r"%([^\W\d][\w.-]{0,80})%",
    r"<%[=-]?\s*([^<>\n]{1,80}?)\s*%>",
    r"[<\[]{1,2}([^\W\d][\w.-]{0,80})[>\]]{1,2}",
    r"[$@:]([^\W\d][\w.]{0,80})",
    r"__([^\W\d_]\w{0,80}?)__",
)
_PLACEHOLDER = re.compile("|".join(_PLACEHOLDERS))
_MARKS = "{$#%@<[:_"
"""Characters that placeholders begin with."""
_COMMENTS = ("comment", "cause", "reason", "message")
_FRACTION = re.compile(r"[+-]?\d{1,60}(?:\.\d{0,60})?(?:[eE][+-]?\d{1,3})?")
_is_plain_id = re.compile(r"[0-9A-Za-z-]{1,127}[0-9A-Za-z]").fullmatch
_is_plain_phone = re.compile(r"\+?[0-9][0-9 ()-]{2,40}").fullmatch
_LONGEST_WORD = 100
"""Maximum characters of a text that may have no meaning. Such texts are cached, since senders repeat them."""

_EXACT = 2**53
"""Smallest number that has lost digits if a program wrote it as a fraction."""


def storable(text: str) -> str:
    """Return the text as databases take it, with NULs and halves of surrogate pairs replaced."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def storable_tree(value: Any) -> Any:
    """Return JSON with all its texts storable."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(name): storable_tree(item) for name, item in value.items()}
    return type(value)(map(storable_tree, value)) if isinstance(value, list | tuple) else value


def read_id(text: str) -> str:
    """Return the id in a text, or an empty text. `text`: not empty, without white space around it."""
    # The hot path: most ids are numbers or uuids.
    if text.isdecimal() and text.isascii() and text != "0" and len(text) <= MAX_ID:
        return text
    if len(text) > _LONGEST_NOTHING and _is_plain_id(text) and text != _NIL:
        return text
    return _read_unusual_id(text)


def _read_unusual_id(text: str) -> str:
    if quoted := _QUOTED.fullmatch(text):
        text = quoted[2].strip()
    if braced := _BRACED.fullmatch(text):
        text = braced[1]
    if not text or fault_of_id(text) or _means_nothing(text, _NO_ID) or text[0] in "{[":
        return ""
    if text[-1] in "-_:/#":  # a prefix without its id
        return ""
    return whole_number(text) if _FRACTION.fullmatch(text) else storable(text)


def fault_of_id(text: str) -> str | None:
    """Return why a value cannot be an id or a number; None if it can, or has no meaning."""
    if len(text) > MAX_ID:
        return f"is longer than {MAX_ID} characters"
    if len(text.splitlines()) > 1:
        return "has a line end in it"
    if _FRACTION.fullmatch(text) and has_lost_digits(text):
        return "is a rounded number"
    return None


def read_word(text: str) -> str:
    """Return a word of the vendor, such as a result, or an empty text."""
    return _read_short_word(text) if len(text) < _LONGEST_WORD else storable(text)


@lru_cache(maxsize=256)
def _read_short_word(text: str) -> str:
    return "" if _means_nothing(text, _NOTHING) else storable(text)


def read_comment(text: str) -> str:
    """Return a free text. It may have braces in it: only placeholders for a comment become an empty text."""
    return _read_short_comment(text) if len(text) < _LONGEST_WORD else storable(text)


@lru_cache(maxsize=256)
def _read_short_comment(text: str) -> str:
    name = placeholder_in(text) if text[0] in _MARKS else None
    is_none = text.casefold() in _NOTHING or (name and name.casefold().endswith(_COMMENTS))
    return "" if is_none else storable(text)


def read_phone(text: str) -> str:
    """Return a phone number in any notation, or an empty text."""
    if _is_plain_phone(text):
        return text
    if fault_of_id(text) or _means_nothing(text, _NO_ID):
        return ""
    return whole_number(text) if _FRACTION.fullmatch(text) and text[0] != "+" else storable(text)


def read_count(text: str) -> int | None:
    """Return a whole number from 1 to 999, such as the number of an attempt, or None."""
    plain = whole_number(text) if _FRACTION.fullmatch(text) else ""
    return int(plain) if plain.isdecimal() and 1 <= len(plain) <= 3 and plain.strip("0") else None


def placeholder_in(text: str) -> str | None:
    """Return the name in an unexpanded placeholder, such as `{task_id}` or `%TaskID%`, or None."""
    found = _PLACEHOLDER.fullmatch(text)
    return next(filter(None, found.groups()), None) if found else None


def _means_nothing(text: str, words: frozenset[str]) -> bool:
    return text.casefold() in words or (text[0] in _MARKS and placeholder_in(text) is not None)


def has_lost_digits(text: str) -> bool:
    """Return whether a program wrote a large number as a fraction and so lost digits of it."""
    return "e" in text.casefold() and abs(_decimal(text)) >= _EXACT


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal(0)


def whole_number(text: str) -> str:
    """Return `77` for `77.0`, `7.7e1` and `+77`, and other numbers unchanged."""
    number = _decimal(text)
    if number.adjusted() > MAX_ID or number != number.to_integral_value():
        return text
    return str(int(number))
