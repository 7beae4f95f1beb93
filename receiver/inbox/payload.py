"""The payload of a hook in any format: query, form, multipart, JSON, JSON in a form, or nothing.

The format is recognized from the body, not from its Content-Type; text is UTF-8, or else cp1251. Query, body
and each field are read separately: one that cannot be read does not affect the others.
"""

import codecs
import logging
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any
from urllib.parse import unquote_plus

import orjson
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser

from receiver.domain.frozen_record import frozen_record
from receiver.inbox.bodies import COMPRESSED_FIRST, decode, decompress, lines_of, odd_form, pairs_of
from receiver.inbox.event_lists import events_of, grouped
from receiver.inbox.json_text import MOST_TEXTS, BrokenJsonError, as_text, flatten, read_texts, read_whole

# A broken body is reported as the problem of its delivery.
logging.getLogger("python_multipart").setLevel(logging.ERROR)

Pairs = tuple[tuple[str, str], ...]

_PLAIN = frozenset((str, int, bool, type(None)))
"""Types of JSON values that all parsers read alike."""

_MAY_BE_JSON = frozenset(("{", "[", '"', " ", "\t", "\r", "\n"))
"""First characters of values that may be JSON texts."""

_MOST_COMMON = 100
"""Maximum number of fields beside a list of events that are read with each event."""

BROKEN_JSON, BROKEN_MULTIPART = "broken JSON", "broken multipart"
NO_FORMAT = "neither form, multipart nor JSON"
"""Problems of payloads."""

_NAMED_BOUNDARY = re.compile(r'boundary="?([^";,\s]+)', re.IGNORECASE)
_OBJECT = re.compile(r'\{\s*(?:"|&quot;|&#34;|\\")')


@frozen_record
class Payload:
    """Names and values in order of appearance. `problem`: what could not be read, or None.

    `events`: the pairs of each object in a list, which may be events; `common`: the pairs beside the list.
    All of them are in `pairs`, too.
    """

    pairs: Pairs = ()
    problem: str | None = None
    events: tuple[Pairs, ...] = ()
    common: Pairs = ()


_NOTHING = Payload()


def read_payload(query: str, content_type: str, body: bytes, encoding: str = "") -> Payload:
    """Read query and body. `encoding`: the Content-Encoding. Never raises: the result has a problem
    instead.
    """
    in_query = _read_form(query.replace("?", "&")) if query else _NOTHING
    in_body = _NOTHING
    problem = None
    if body:
        if encoding or body[0] in COMPRESSED_FIRST:
            body, problem = decompress(body, encoding)
        in_body = _read_body(content_type, body.removeprefix(codecs.BOM_UTF8).strip())
    if problem is None:
        if in_query is _NOTHING:
            return in_body
        if in_body is _NOTHING:
            return in_query
    return _joined(in_query, in_body, problem)


def _joined(query: Payload, body: Payload, problem: str | None) -> Payload:
    problems = dict.fromkeys(filter(None, (problem, query.problem, body.problem)))
    events = body.events or query.events
    beside = (*body.common, *query.pairs) if body.events else (*query.common, *body.pairs)
    return Payload(
        (*query.pairs, *body.pairs),
        "; ".join(problems) or None,
        events,
        tuple(beside[:_MOST_COMMON]) if events else (),
    )


def _read_body(content_type: str, body: bytes, depth: int = 2) -> Payload:
    """Read a body. `depth`: how many times it may be a nested JSON string."""
    if not body:
        return _NOTHING
    if body.startswith((b"{", b"[", b"\x1e")):
        flat = _read_flat(body)
        return _read_json(decode(body)) if flat is None else Payload(flat)
    if depth and body.startswith(b'"') and (text := _string(decode(body))) is not None:
        return _read_body("", text.strip().encode("utf-8", "replace"), depth - 1)
    if boundary := _boundary(content_type, body):
        return _multipart(boundary, body)
    text = decode(body)
    if "=" not in text:
        text = odd_form(text)
    name = text.partition("=")[0].partition("&")[0]
    if "=" not in text or not _could_be_a_name(unquote_plus(name)):
        return Payload(problem=NO_FORMAT)
    return _read_form(text)


def _string(text: str) -> str | None:
    try:
        value = read_whole(text)
    except BrokenJsonError:
        return None
    return value if isinstance(value, str) else None


def _could_be_a_name(text: str) -> bool:
    return text.isprintable() and len(text) <= 200 and not text.startswith("<")


def _read_form(text: str) -> Payload:
    """Read a query or form: pairs separated by `&`, or one on each line."""
    lines = lines_of(text, "=") if "\n" in text and "&" not in text else None
    pairs = pairs_of(text) if lines is None else lines
    payload = _expand(pairs)
    if not payload.events and ("[" in text or "%5" in text or ".0." in text):
        events, common = grouped(payload.pairs)
        return Payload(payload.pairs, payload.problem, tuple(events), tuple(common[:_MOST_COMMON]))
    return payload


def _read_flat(body: bytes) -> Pairs | None:
    """Return the pairs of a JSON object of plain values, the format of most senders.

    Return None if the slow way must read or refuse it: lists, nested objects, nested JSON texts, cp1251,
    halves of surrogate pairs, broken JSON; and fractions, since orjson reads very long whole numbers as
    fractions, too.
    """
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(values, dict) or not _PLAIN.issuperset(map(type, values.values())):
        return None
    if b"\\" in body and (b'\\"' in body or b"\\u0022" in body):
        return None
    return tuple([(name, value if type(value) is str else as_text(value)) for name, value in values.items()])


def _read_json(text: str) -> Payload:
    read = read_texts(text)
    problem = BROKEN_JSON if read.is_broken else None
    return _of_values(read.values, problem)


def _of_values(values: Sequence[Any], problem: str | None = None, name: str = "") -> Payload:
    """Return the payload of JSON values, one for each text in a row. `name`: the field that contains them."""
    pairs = tuple([pair for value in values for pair in flatten(value, name)])
    entries, beside = events_of(values)
    if len(entries) < 2:
        return Payload(pairs, problem)
    if len(entries) > MOST_TEXTS:
        problem = f"more than {MOST_TEXTS} events in one request; the others are not read"
    events = tuple([tuple(flatten(entry)) for entry in entries[:MOST_TEXTS]])
    return Payload(pairs, problem, events, tuple(islice(flatten(beside), _MOST_COMMON)))


def _boundary(content_type: str, body: bytes) -> bytes | None:
    """Return the multipart boundary at the start of the body, or that of the Content-Type if the body has
    it.
    """
    if body.startswith(b"--"):
        return body.split(b"\r\n", 1)[0][2:].rstrip()
    named = _NAMED_BOUNDARY.search(content_type)
    boundary = named[1].encode("latin-1", "replace") if named else b""
    return boundary if boundary and b"--" + boundary in body else None


def _multipart(boundary: bytes, body: bytes) -> Payload:
    """Read the complete parts of a multipart body."""
    fields: list[tuple[str, str]] = []

    def on_field(field: Field) -> None:
        fields.append((decode(field.field_name or b""), decode(field.value or b"")))

    def on_file(file: File) -> None:
        file.file_object.seek(0)
        fields.append((decode(file.field_name or b""), decode(file.file_object.read())))

    problem = None
    try:
        parser = FormParser("multipart/form-data", on_field, on_file, boundary=boundary)
        parser.write(body[body.index(b"--" + boundary) :])
        parser.finalize()
    except (FormParserError, ValueError):
        problem = BROKEN_MULTIPART
    if not fields or b"--" + boundary + b"--" not in body:
        problem = BROKEN_MULTIPART
    payload = _expand(fields)
    return Payload(payload.pairs, problem or payload.problem, payload.events, payload.common)


def _expand(pairs: Sequence[tuple[str, str]]) -> Payload:
    """Replace fields whose values are JSON objects or lists by their contents."""
    for name, value in pairs:
        if value[:1] in _MAY_BE_JSON or (not value and name[:1] in _MAY_BE_JSON):
            return _expand_json(pairs)
    return Payload(tuple(pairs))


def _expand_json(pairs: Iterable[tuple[str, str]]) -> Payload:
    expanded: list[tuple[str, str]] = []
    events: tuple[Pairs, ...] = ()
    problem = None
    for name, value in pairs:
        if not _is_json(name, value):
            expanded.append((name, value))
            continue
        # JSON that was sent as a form is the name of a field.
        inner = _read_field(name, value) if value else _read_json(name)
        expanded.extend(inner.pairs)
        problem = problem or inner.problem
        events = events or inner.events
    return Payload(tuple(expanded), problem, events, tuple(expanded[:_MOST_COMMON]) if events else ())


def _is_json(name: str, value: str) -> bool:
    """Return whether a field contains a JSON object or list, maybe a broken one. A brace alone may be part of
    a comment.
    """
    text = value.lstrip() or name.lstrip()
    if text.startswith('"') and value:
        inner = _string(value)
        return inner is not None and inner.lstrip()[:1] in ("{", "[") and _is_json(name, inner)
    return bool(_OBJECT.match(text)) or (text.startswith("[") and _is_whole(text))


def _is_whole(text: str) -> bool:
    try:
        read_whole(text)
    except BrokenJsonError:
        return False
    return True


def _read_field(name: str, value: str) -> Payload:
    text = value.strip()
    if text.startswith('"'):
        text = _string(text) or ""
    read = read_texts(text)
    if not read.is_broken:
        return _of_values(read.values, None, name)
    inner = _of_values(read.values, f"{BROKEN_JSON} in {name[:40]!r}", name)
    return Payload(((name, value), *inner.pairs), inner.problem)
