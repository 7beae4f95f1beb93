"""Encodings of fields as an HTTP request: plain ones, and odd ones of known senders."""

import gzip
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any, assert_never
from urllib.parse import quote, quote_plus, urlencode

import httpx2

from receiver.emulator.faults import Breakage

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
LINES = "text/plain"
JSON_LINES = "application/x-ndjson"
BOUNDARY = "----scheduler-7d81b0c4"

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Wire:
    """An HTTP request. `encoding`: value of Content-Encoding. `target`: bytes of path and query in the
    request line; None: the URL's own, properly escaped.
    """

    method: str
    url: str
    content_type: str | None = None
    body: bytes = b""
    encoding: str | None = None
    target: bytes | None = None


Writer = Callable[[str, Fields], Wire]


def get(url: str, fields: Fields) -> Wire:
    """Append `?` and a query, even to a URL that has one."""
    return Wire("GET", f"{url}?{urlencode(texts(fields))}")


def bare_get(url: str, _: Fields) -> Wire:
    return Wire("GET", url)


def bare_post(url: str, _: Fields) -> Wire:
    return Wire("POST", url)


def form(url: str, fields: Fields) -> Wire:
    return Wire("POST", url, FORM, urlencode(texts(fields)).encode())


def form_cp1251(url: str, fields: Fields) -> Wire:
    body = urlencode(texts(fields), encoding="cp1251", errors="xmlcharrefreplace")
    return Wire("POST", url, FORM, body.encode())


def json_body(url: str, fields: Fields) -> Wire:
    return Wire("POST", url, JSON, _json(fields))


def json_in_form(url: str, fields: Fields) -> Wire:
    return Wire("POST", url, FORM, urlencode({"data": _json(fields).decode()}).encode())


def multipart(url: str, fields: Fields) -> Wire:
    parts = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in texts(fields).items()
    )
    content_type = f"multipart/form-data; boundary={BOUNDARY}"
    return Wire("POST", url, content_type, f"{parts}--{BOUNDARY}--\r\n".encode())


def raw_get(encoding: str, *, escaped: bool = False) -> Writer:
    """Return a writer of queries with unescaped letters. `escaped`: only spaces are unescaped."""

    def write(url: str, fields: Fields) -> Wire:
        query = urlencode(texts(fields)).replace("+", " ") if escaped else _unescaped(fields)
        target = httpx2.URL(url).raw_path + b"?" + query.encode(encoding, "xmlcharrefreplace")
        return Wire("GET", url, target=target)

    return write


def html_get(url: str, fields: Fields) -> Wire:
    """Write a query escaped for HTML."""
    return Wire("GET", f"{url}?{escape(urlencode(texts(fields)))}")


def html_form(url: str, fields: Fields) -> Wire:
    return Wire("POST", url, FORM, escape(urlencode(texts(fields))).encode())


def form_escaped_twice(url: str, fields: Fields) -> Wire:
    return form(url, {name: quote(value) for name, value in texts(fields).items()})


def bracket_form(url: str, fields: Fields) -> Wire:
    """Write nested names as PHP does."""
    return form(url, {f"task[{name}]": value for name, value in texts(fields).items()})


def bracket_get(url: str, fields: Fields) -> Wire:
    return get(url, {f"task[{name}]": value for name, value in texts(fields).items()})


def list_form(url: str, fields: Fields) -> Wire:
    """Write each value as a list, as PHP does."""
    return form(url, {f"{name}[]": value for name, value in texts(fields).items()})


def dotted_form(url: str, fields: Fields) -> Wire:
    return form(url, {f"task.{name}": value for name, value in texts(fields).items()})


def nested_json(url: str, fields: Fields) -> Wire:
    return json_body(url, {"notification": {"version": 1, "task": fields}})


def digit_keys(url: str, fields: Fields) -> Wire:
    """Write a list as an object with digits for keys."""
    return json_body(url, {"tasks": {"0": fields}})


def json_text(url: str, fields: Fields) -> Wire:
    """Write a JSON string that contains JSON."""
    return Wire("POST", url, JSON, json.dumps(_json(fields).decode(), ensure_ascii=False).encode())


def json_in_json(url: str, fields: Fields) -> Wire:
    return json_body(url, {"data": _json(fields).decode()})


def lines(url: str, fields: Fields) -> Wire:
    """Write one `name=value` per line, unescaped."""
    body = "".join(f"{name}={value}\r\n" for name, value in texts(fields).items())
    return Wire("POST", url, LINES, body.encode())


Packer = Callable[[bytes], bytes]


def _deflated(body: bytes) -> bytes:
    """Deflate without zlib's header and checksum, as some servers do."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


GZIP: Packer = gzip.compress
ZLIB: Packer = zlib.compress
DEFLATE: Packer = _deflated
PLAIN: Packer = bytes


def packed(write: Writer, pack: Packer, name: str | None) -> Writer:
    """Return a writer that compresses the body. `name`: its Content-Encoding, which may be wrong."""

    def write_packed(url: str, fields: Fields) -> Wire:
        wire = write(url, fields)
        return replace(wire, body=pack(wire.body), encoding=name)

    return write_packed


def pasted(write: Writer, space: str) -> Writer:
    """Return a writer to a URL with white space at its end."""
    return lambda url, fields: write(url + space, fields)


def pasted_raw(url: str, fields: Fields) -> Wire:
    """Write a form to a URL with an unescaped space at its end."""
    return replace(form(url, fields), target=httpx2.URL(url).raw_path + b" ")


JoinedWriter = Callable[[str, Sequence[Fields]], Wire]


def array(url: str, events: Sequence[Fields]) -> Wire:
    return Wire("POST", url, JSON, _json(events))


def events_list(url: str, events: Sequence[Fields]) -> Wire:
    return Wire("POST", url, JSON, _json({"count": len(events), "events": events}))


def json_lines(url: str, events: Sequence[Fields]) -> Wire:
    return Wire("POST", url, JSON_LINES, b"".join(_json(event) + b"\n" for event in events))


def texts(fields: Fields) -> dict[str, str]:
    return {name: text(value) for name, value in fields.items()}


def text(value: object) -> str:
    return "" if value is None else str(value)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _unescaped(fields: Fields) -> str:
    """Return a query with unescaped letters; a space is a plus, and separators are escaped."""
    keep = "".join(chr(code) for code in range(0x80, 0x530))
    pairs = texts(fields).items()
    return "&".join(f"{name}={_escape_ascii(value, keep)}" for name, value in pairs)


def _escape_ascii(value: str, keep: str) -> str:
    return "".join(letter if letter in keep else quote_plus(letter) for letter in value)


def break_body(wire: Wire, breakage: Breakage) -> Wire:
    """Return the request with an unreadable body.

    A truncated form would still be readable, with a wrong value; so forms and lines are garbled instead.
    """
    match breakage:
        case "truncated" if wire.content_type not in (FORM, LINES):
            return replace(wire, body=wire.body[: len(wire.body) * 3 // 5])
        case "truncated" | "garbled":
            return replace(wire, body=_unannounced_compression(wire.body))
        case "mislabelled":
            return replace(wire, content_type=FORM if wire.content_type == JSON else JSON)
        case _:
            assert_never(breakage)


def _unannounced_compression(body: bytes) -> bytes:
    """Return the body compressed and truncated: meaningless bytes."""
    return zlib.compress(body)[:-4]
