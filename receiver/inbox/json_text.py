"""JSON as senders write it: several texts in a row, nested texts, escaped once too often, or broken."""

import html
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from receiver.domain.hook_values import has_lost_digits, whole_number

DEPTH = 8
"""Levels of nested JSON that are read."""

MOST_TEXTS = 1000
"""Maximum number of JSON texts in a row, or of entries in a list, that are read as events."""

_MOST_FAULTS = 20
"""Maximum number of broken texts that are skipped: each costs a search for the next one."""

_MOST_SALVAGED = 2**18
"""Maximum characters of a broken text that are searched."""

_LONGEST_PARENT = 64
_LONGEST_NUMBER = 1000
_BETWEEN = re.compile(r"[\s,\x1e]*")
_NEXT_TEXT = re.compile(r"\n\s*(?=[{\[])")
_LEXEME = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z|\\\Z)|[{}\[\]:,]|[^\s"{}\[\]:,]+', re.DOTALL)
_SCALAR = re.compile(r"true|false|null|-?\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?")


class JsonTexts(NamedTuple):
    """`values`: of each text, or a dictionary of the readable part of a broken one. `is_broken`: whether a
    text is broken.
    """

    values: list[Any]
    is_broken: bool


class BrokenJsonError(ValueError):
    """The text is not JSON."""


def _whole(text: str) -> int | str:
    return int(text) if len(text) < _LONGEST_NUMBER else text


def _fraction(text: str) -> str:
    """Return a fraction as written, but a number with an exponent such as `7.7e1` as a whole number."""
    return whole_number(text) if "e" in text.lower() and not has_lost_digits(text) else text


_DECODER = json.JSONDecoder(
    strict=False, parse_int=_whole, parse_float=_fraction, parse_constant=lambda _: None
)


def read_text(text: str, at: int = 0) -> tuple[Any, int]:
    """Return the value of the JSON text at `at`, and its end. Raises BrokenJsonError."""
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, ArithmeticError, RecursionError):
        raise BrokenJsonError from None


def read_whole(text: str) -> Any:
    """Return the value of a text that is nothing but JSON. Raises BrokenJsonError."""
    text = text.strip()
    value, end = read_text(text)
    if end < len(text):
        raise BrokenJsonError
    return value


def read_texts(text: str) -> JsonTexts:
    """Read all JSON texts in a row. A broken text does not affect the others."""
    values: list[Any] = []
    faults = 0
    at = 0
    while (at := _end_of(_BETWEEN, text, at)) < len(text) and len(values) <= MOST_TEXTS:
        try:
            value, at = read_text(text, at)
            values.append(value)
            continue
        except BrokenJsonError:
            pass
        if not values and (repaired := _repaired(text)) is not None:
            return JsonTexts([repaired], False)
        if values and text[at:].strip() == "=":  # a body that was meant to be the name of a form's field
            break
        faults += 1
        following = _NEXT_TEXT.search(text, at) if faults < _MOST_FAULTS else None
        end = following.end() if following else len(text)
        if salvaged := dict(_salvage(text[at : min(end, at + _MOST_SALVAGED)])):
            values.append(salvaged)
        at = end
    return JsonTexts(values, bool(faults) or at < len(text.rstrip(" \r\n\t=,\x1e")))


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _repaired(text: str) -> Any:
    """Return the value of a text that was escaped once too often, for HTML or as a nested text; or None."""
    candidates = []
    if "&quot;" in text or "&#34;" in text:
        candidates.append(html.unescape(text))
    if '\\"' in text[:20]:
        candidates.append(text.replace('\\"', '"').replace("\\\\", "\\"))
    for candidate in candidates:
        try:
            return read_whole(candidate)
        except BrokenJsonError:
            continue
    return None


def _salvage(text: str) -> Iterator[tuple[str, Any]]:
    """Yield the complete names and values of a broken text. A value must end before a comma or a bracket, or
    it could be cut off. Of two with the same name the last counts, as in JSON.
    """
    parts = [found[0] for found in _LEXEME.finditer(text)]
    path: list[str] = []
    name = ""
    for at, (part, following) in enumerate(pairwise(parts)):
        if part in ("{", "["):
            path.append(name if part == "{" else "")
        elif part in ("}", "]"):
            path[-1:] = []
        elif following == ":" and part.startswith('"'):
            name = _unquoted(part)
            value, end = (*parts[at + 2 : at + 4], "", "")[:2]
            if end in (",", "}", "]") and (read := _read_scalar(value)) is not None:
                yield nested_name(path[-1] if path else "", name), read[0]


def _read_scalar(text: str) -> tuple[Any] | None:
    if text.startswith('"'):
        return (_unquoted(text),)
    return (read_text(text)[0],) if _SCALAR.fullmatch(text) else None


def _unquoted(text: str) -> str:
    try:
        return str(read_text(text)[0])
    except BrokenJsonError:
        return text.strip('"')


def nested_name(parent: str, name: str) -> str:
    """Return a name behind that of its object, unless the object has no name."""
    if not parent or len(parent) > _LONGEST_PARENT or not name:
        return name or parent
    return f"{parent}.{name}"


def flatten(value: Any, name: str = "", depth: int = DEPTH) -> Iterator[tuple[str, str]]:
    """Yield every scalar under its name and that of its object; scalars near the root come first."""
    value = inner_value(value) if depth else value
    if isinstance(value, dict) and depth:
        nested = []
        for key, item in value.items():
            inner = inner_value(item)
            if isinstance(inner, dict | list):
                nested.append((key, inner))
            else:
                yield _name_of(key, name), as_text(item)
        for key, inner in nested:
            yield from flatten(inner, name if key.isdecimal() else str(key), depth - 1)
    elif isinstance(value, list) and depth:
        for item in value:
            yield from flatten(item, name, depth - 1)
    elif not isinstance(value, dict | list):
        yield name, as_text(value)


def _name_of(key: str, parent: str) -> str:
    """Return the name of a scalar. Digits as a key are the index of a list, and no name."""
    return parent if parent and key.isdecimal() else nested_name(parent, key)


def inner_value(value: Any) -> Any:
    """Return the value of a JSON text within JSON; any other value as it is."""
    if not isinstance(value, str) or '"' not in value or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return read_whole(value)
    except BrokenJsonError:
        return value


def as_text(value: Any) -> str:
    """Return a scalar as in a form."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
