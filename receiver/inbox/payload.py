"""What a hook request carries, whatever its form: query, form, multipart, JSON, JSON inside a form, nothing.

The body is sniffed, not believed from its Content-Type; text is UTF-8, or else cp1251. Query and body are
read apart, and so is each field: what cannot be read takes nothing else along.
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
from receiver.inbox.events_of import events_of, grouped
from receiver.inbox.form_text import decode, lines_of, odd_form, pairs_of
from receiver.inbox.json_text import MOST_TEXTS, BrokenJsonError, as_text, flatten, read_texts, read_whole
from receiver.inbox.unpack import PACKED_FIRST, unpack

# What it has to say of a broken body stands in the delivery's problem.
logging.getLogger("python_multipart").setLevel(logging.ERROR)

Pairs = tuple[tuple[str, str], ...]

_PLAIN = frozenset((str, int, bool, type(None)))
"""Types of the JSON values that every parser reads alike."""

_MAY_BE_JSON = frozenset(("{", "[", '"', " ", "\t", "\r", "\n"))
"""Characters that a value begins with which may be a JSON text."""

_MOST_COMMON = 100
"""Fields beside a list of events that are read with each of them."""

_NAMED_BOUNDARY = re.compile(r'boundary="?([^";,\s]+)', re.IGNORECASE)
_OBJECT = re.compile(r'\{\s*(?:"|&quot;|&#34;|\\")')


@frozen_record(frozen=True, slots=True)
class Payload:
    """Names and values in order of appearance. `problem`: what could not be read, or None.

    `events`: where a request carries a list of objects, which may be events of their own, the pairs of each;
    `common`: the pairs beside the list. All of them stand in `pairs`, too.
    """

    pairs: Pairs = ()
    problem: str | None = None
    events: tuple[Pairs, ...] = ()
    common: Pairs = ()


_NOTHING = Payload()


def read_payload(query: str, content_type: str, body: bytes, encoding: str = "") -> Payload:
    """All that query and body say. `encoding`: the Content-Encoding. Never raises: what cannot be read is a
    problem, not an error.
    """
    asked = _read_form(query.replace("?", "&")) if query else _NOTHING
    told = _NOTHING
    problem = None
    if body:
        if encoding or body[0] in PACKED_FIRST:
            body, problem = unpack(body, encoding)
        told = _read_body(content_type, body.removeprefix(codecs.BOM_UTF8).strip())
    if problem is None:
        if asked is _NOTHING:
            return told
        if told is _NOTHING:
            return asked
    return _joined(asked, told, problem)


def _joined(asked: Payload, told: Payload, problem: str | None) -> Payload:
    problems = dict.fromkeys(filter(None, (problem, asked.problem, told.problem)))
    events = told.events or asked.events
    beside = (*told.common, *asked.pairs) if told.events else (*asked.common, *told.pairs)
    return Payload(
        (*asked.pairs, *told.pairs),
        "; ".join(problems) or None,
        events,
        tuple(beside[:_MOST_COMMON]) if events else (),
    )


def _read_body(content_type: str, body: bytes, depth: int = 2) -> Payload:
    """`depth`: how often the body may be the text of a JSON string."""
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
        return Payload(problem="neither form, multipart nor JSON")
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
    """A query or form: pairs with `&` between them, or one a line."""
    lines = lines_of(text, "=") if "\n" in text and "&" not in text else None
    pairs = pairs_of(text) if lines is None else lines
    payload = _expand(pairs)
    if not payload.events and ("[" in text or "%5" in text or ".0." in text):
        events, common = grouped(payload.pairs)
        return Payload(payload.pairs, payload.problem, tuple(events), tuple(common[:_MOST_COMMON]))
    return payload


def _read_flat(body: bytes) -> Pairs | None:
    """The pairs of a JSON object of plain values, which is what most senders send.

    None where the slow way has to read it or to refuse it: lists, nested objects, texts of JSON, cp1251,
    halves of surrogate pairs, broken JSON; and fractions, since of a very long whole number orjson makes one
    as well.
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
    problem = "broken JSON" if read.is_broken else None
    return _of_values(read.values, problem)


def _of_values(values: Sequence[Any], problem: str | None = None, name: str = "") -> Payload:
    """The payload of JSON values, one for each text in a row. `name`: the field that they are in."""
    pairs = tuple([pair for value in values for pair in flatten(value, name)])
    entries, beside = events_of(values)
    if len(entries) < 2:
        return Payload(pairs, problem)
    if len(entries) > MOST_TEXTS:
        problem = f"more than {MOST_TEXTS} events in one request; the others are not read"
    events = tuple([tuple(flatten(entry)) for entry in entries[:MOST_TEXTS]])
    return Payload(pairs, problem, events, tuple(islice(flatten(beside), _MOST_COMMON)))


def _boundary(content_type: str, body: bytes) -> bytes | None:
    """The multipart boundary that the body begins with, or that its Content-Type names and it contains."""
    if body.startswith(b"--"):
        return body.split(b"\r\n", 1)[0][2:].rstrip()
    named = _NAMED_BOUNDARY.search(content_type)
    boundary = named[1].encode("latin-1", "replace") if named else b""
    return boundary if boundary and b"--" + boundary in body else None


def _multipart(boundary: bytes, body: bytes) -> Payload:
    """The parts that have come whole."""
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
        problem = "broken multipart"
    if not fields or b"--" + boundary + b"--" not in body:
        problem = "broken multipart"
    payload = _expand(fields)
    return Payload(payload.pairs, problem or payload.problem, payload.events, payload.common)


def _expand(pairs: Sequence[tuple[str, str]]) -> Payload:
    """A field whose value is a JSON object or list stands for what is in it."""
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
        # A body that was sent as a form has its JSON for a name.
        inner = _read_field(name, value) if value else _read_json(name)
        expanded.extend(inner.pairs)
        problem = problem or inner.problem
        events = events or inner.events
    return Payload(tuple(expanded), problem, events, tuple(expanded[:_MOST_COMMON]) if events else ())


def _is_json(name: str, value: str) -> bool:
    """Whether a field holds a JSON object or list, if a broken one. A brace alone may be anything, such as
    part of a comment.
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
    inner = _of_values(read.values, f"broken JSON in {name[:40]!r}", name)
    return Payload(((name, value), *inner.pairs), inner.problem)
