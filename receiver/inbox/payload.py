"""What a hook request carries, whatever its form: query, form, multipart, JSON, JSON inside a form, nothing.

The body is sniffed, not believed from its Content-Type; text is UTF-8, or else cp1251.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote_plus, unquote_to_bytes

import orjson
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser

from receiver.domain.shape import shape

Pairs = tuple[tuple[str, str], ...]

_DEPTH = 8
"""Levels of nested JSON that are looked into."""
_PLAIN = frozenset((str, int, bool, type(None)))
"""Types of the JSON values that every parser reads alike."""

_NAMED_BOUNDARY = re.compile(r'boundary="?([^";,\s]+)', re.IGNORECASE)


@shape(frozen=True, slots=True)
class Payload:
    """Names and values in order of appearance. `problem`: why the body could not be read, or None."""

    pairs: Pairs
    problem: str | None = None


def read_payload(query: str, content_type: str, body: bytes) -> Payload:
    """All that query and body say. Never raises: what cannot be read is a problem, not an error."""
    asked = _pairs(query.replace("?", "&")) if query else ()
    told: Pairs = ()
    problem = None
    try:
        asked = _expand(asked) if asked else ()
        told = _read_body(content_type, body.removeprefix(codecs.BOM_UTF8).strip())
    except _UnreadableError as error:
        problem = str(error)
    return Payload((*asked, *told), problem)


class _UnreadableError(Exception):
    pass


def decode(data: bytes) -> str:
    """UTF-8, or else cp1251, which has a letter for almost every byte."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1251", errors="replace")


def _read_body(content_type: str, body: bytes) -> Pairs:
    if not body:
        return ()
    if body.startswith((b"{", b"[")):
        flat = _read_flat(body)
        return tuple(_flatten(_json(decode(body)))) if flat is None else flat
    if boundary := _boundary(content_type, body):
        return _expand(_multipart(boundary, body))
    pairs = _pairs(decode(body))
    if b"=" not in body or not all(map(_could_be_a_name, (name for name, _ in pairs))):
        raise _UnreadableError("neither form, multipart nor JSON")
    return _expand(pairs)


def _could_be_a_name(text: str) -> bool:
    return text.isprintable() and len(text) <= 200 and not text.startswith("<")


def _pairs(text: str) -> Pairs:
    """The pairs of a query or form; percent-escapes may be UTF-8 or cp1251."""
    plain = _unescape if text.isascii() else unquote_plus
    halves = (part.partition("=") for part in text.split("&") if part)
    return tuple([(plain(name), plain(value)) for name, _, value in halves])


def _unescape(text: str) -> str:
    text = text.replace("+", " ")
    return decode(unquote_to_bytes(text)) if "%" in text else text


def _read_flat(body: bytes) -> Pairs | None:
    """The pairs of a JSON object of plain values, which is what most senders send.

    None where the slow way has to read it or to refuse it: lists, nested objects, cp1251, halves of surrogate
    pairs, broken JSON; and fractions, since of a very long whole number orjson makes one as well.
    """
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(values, dict) or not _PLAIN.issuperset(map(type, values.values())):
        return None
    return tuple([(name, value if type(value) is str else _text(value)) for name, value in values.items()])


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _UnreadableError("broken JSON") from None


def _flatten(value: Any, name: str = "", depth: int = _DEPTH) -> Iterator[tuple[str, str]]:
    """Every scalar under its own name; those nearer to the root come first."""
    if isinstance(value, dict) and depth:
        nested = [(key, item) for key, item in value.items() if isinstance(item, dict | list)]
        yield from (
            (str(key), _text(item)) for key, item in value.items() if not isinstance(item, dict | list)
        )
        for key, item in nested:
            yield from _flatten(item, str(key), depth - 1)
    elif isinstance(value, list) and depth:
        for item in value:
            yield from _flatten(item, name, depth - 1)
    elif not isinstance(value, dict | list):
        yield name, _text(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _boundary(content_type: str, body: bytes) -> bytes | None:
    """The multipart boundary that the body begins with, or that its Content-Type names and it contains."""
    if body.startswith(b"--"):
        return body.split(b"\r\n", 1)[0][2:].rstrip()
    named = _NAMED_BOUNDARY.search(content_type)
    boundary = named[1].encode("latin-1", "replace") if named else b""
    return boundary if boundary and b"--" + boundary in body else None


def _multipart(boundary: bytes, body: bytes) -> Pairs:
    fields: list[tuple[str, str]] = []

    def on_field(field: Field) -> None:
        fields.append((decode(field.field_name or b""), decode(field.value or b"")))

    def on_file(file: File) -> None:
        file.file_object.seek(0)
        fields.append((decode(file.field_name or b""), decode(file.file_object.read())))

    try:
        parser = FormParser("multipart/form-data", on_field, on_file, boundary=boundary)
        parser.write(body[body.index(b"--" + boundary) :])
        parser.finalize()
    except (FormParserError, ValueError):
        raise _UnreadableError("broken multipart") from None
    if not fields or b"--" + boundary + b"--" not in body:
        raise _UnreadableError("broken multipart")
    return tuple(fields)


def _expand(pairs: Iterable[tuple[str, str]]) -> Pairs:
    """A field whose value is a JSON object or list stands for what is in it."""
    expanded: list[tuple[str, str]] = []
    for name, value in pairs:
        if _looks_like_json(value):
            expanded.extend(_flatten(_json(value), name))
        else:
            expanded.append((name, value))
    return tuple(expanded)


def _looks_like_json(text: str) -> bool:
    """An object by its beginning; a list only if it is one, since a comment may well begin with a bracket."""
    first = text.lstrip()[:1]
    if first != "[":
        return first == "{"
    try:
        _json(text)
    except _UnreadableError:
        return False
    return True
