"""The values that hooks carry: ids, words, numbers. A text that means nothing, or is at fault, is none."""

import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from receiver.domain.storable import storable

MOST = 128
"""Characters of an id or a phone number: a longer one fits into no index of PostgreSQL."""

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
"""What programs write where they have no value."""

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
"""Characters up to which a text may mean nothing. Such texts are remembered, since senders repeat them."""

_EXACT = 2**53
"""From here on a program that writes an id as a fraction has lost digits of it."""


def read_id(text: str) -> str:
    """The id; empty for what is none. `text`: without white space around it, not empty."""
    # Most ids are numbers or uuids, and each microsecond counts here.
    if text.isdecimal() and text.isascii() and text != "0" and len(text) <= MOST:
        return text
    if len(text) > _LONGEST_NOTHING and _is_plain_id(text) and text != _NIL:
        return text
    return _odd_id(text)


def _odd_id(text: str) -> str:
    if quoted := _QUOTED.fullmatch(text):
        text = quoted[2].strip()
    if braced := _BRACED.fullmatch(text):
        text = braced[1]
    if not text or fault_of_id(text) or _means_nothing(text, _NO_ID) or text[0] in "{[":
        return ""
    if text[-1] in "-_:/#":  # its prefix alone
        return ""
    return whole_number(text) if _FRACTION.fullmatch(text) else storable(text)


def fault_of_id(text: str) -> str | None:
    """What makes a value unfit for an id or a number; None for one that is fit, or means nothing."""
    if len(text) > MOST:
        return f"is longer than {MOST} characters"
    if len(text.splitlines()) > 1:
        return "has a line end in it"
    if _FRACTION.fullmatch(text) and has_lost_digits(text):
        return "is a rounded number"
    return None


def read_word(text: str) -> str:
    """A word of the vendor's, such as a result; empty where it means nothing."""
    return _read_short_word(text) if len(text) < _LONGEST_WORD else storable(text)


@lru_cache(maxsize=256)
def _read_short_word(text: str) -> str:
    return "" if _means_nothing(text, _NOTHING) else storable(text)


def read_comment(text: str) -> str:
    """Free text; empty where it means nothing. A brace may well be part of it: only a placeholder for a
    comment is none.
    """
    return _read_short_comment(text) if len(text) < _LONGEST_WORD else storable(text)


@lru_cache(maxsize=256)
def _read_short_comment(text: str) -> str:
    name = placeholder_in(text) if text[0] in _MARKS else None
    is_none = text.casefold() in _NOTHING or (name and name.casefold().endswith(_COMMENTS))
    return "" if is_none else storable(text)


def read_phone(text: str) -> str:
    """A phone number, however written; empty where it means nothing or is too long for one."""
    if _is_plain_phone(text):
        return text
    if fault_of_id(text) or _means_nothing(text, _NO_ID):
        return ""
    return whole_number(text) if _FRACTION.fullmatch(text) and text[0] != "+" else storable(text)


def read_count(text: str) -> int | None:
    """A small whole number from 1 on, such as the number of an attempt."""
    plain = whole_number(text) if _FRACTION.fullmatch(text) else ""
    return int(plain) if plain.isdecimal() and 1 <= len(plain) <= 3 and plain.strip("0") else None


def placeholder_in(text: str) -> str | None:
    """The name in a placeholder that nobody has expanded, such as `{task_id}` or `%TaskID%`."""
    found = _PLACEHOLDER.fullmatch(text)
    return next(filter(None, found.groups()), None) if found else None


def _means_nothing(text: str, words: frozenset[str]) -> bool:
    return text.casefold() in words or (text[0] in _MARKS and placeholder_in(text) is not None)


def has_lost_digits(text: str) -> bool:
    """Whether a number was written as a fraction by a program that does not keep all its digits."""
    return "e" in text.casefold() and abs(_decimal(text)) >= _EXACT


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal(0)


def whole_number(text: str) -> str:
    """`77.0`, `7.7e1` and `+77` as `77`; other numbers as they are."""
    number = _decimal(text)
    if number.adjusted() > MOST or number != number.to_integral_value():
        return text
    return str(int(number))
