"""How fields become one HTTP request: the plain ways, and those that other senders are known for."""

import gzip
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import httpx2

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
LINES = "text/plain"
JSON_LINES = "application/x-ndjson"
BOUNDARY = "----scheduler-7d81b0c4"

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Wire:
    """One HTTP request. `encoding`: the Content-Encoding that it claims. `target`: what stands for path and
    query in the request line, byte by byte; None: the URL's own, escaped as it must be.
    """

    method: str
    url: str
    content_type: str | None = None
    body: bytes = b""
    encoding: str | None = None
    target: bytes | None = None


Writer = Callable[[str, Fields], Wire]


def get(url: str, fields: Fields) -> Wire:
    """A naive sender: it appends `?` even to a URL that has one."""
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
    """A query whose letters are not escaped, but for what would end a value. `escaped`: only the spaces are
    not.
    """

    def write(url: str, fields: Fields) -> Wire:
        query = urlencode(texts(fields)).replace("+", " ") if escaped else _unescaped(fields)
        target = httpx2.URL(url).raw_path + b"?" + query.encode(encoding, "xmlcharrefreplace")
        return Wire("GET", url, target=target)

    return write


def html_get(url: str, fields: Fields) -> Wire:
    """A query that was escaped for a page of HTML."""
    return Wire("GET", f"{url}?{escape(urlencode(texts(fields)))}")


def html_form(url: str, fields: Fields) -> Wire:
    return Wire("POST", url, FORM, escape(urlencode(texts(fields))).encode())


def form_escaped_twice(url: str, fields: Fields) -> Wire:
    return form(url, {name: quote(value) for name, value in texts(fields).items()})


def bracket_form(url: str, fields: Fields) -> Wire:
    """PHP's way with nested names."""
    return form(url, {f"task[{name}]": value for name, value in texts(fields).items()})


def bracket_get(url: str, fields: Fields) -> Wire:
    return get(url, {f"task[{name}]": value for name, value in texts(fields).items()})


def list_form(url: str, fields: Fields) -> Wire:
    """PHP's way with lists, each of one value."""
    return form(url, {f"{name}[]": value for name, value in texts(fields).items()})


def dotted_form(url: str, fields: Fields) -> Wire:
    return form(url, {f"task.{name}": value for name, value in texts(fields).items()})


def nested_json(url: str, fields: Fields) -> Wire:
    return json_body(url, {"notification": {"version": 1, "task": fields}})


def digit_keys(url: str, fields: Fields) -> Wire:
    """A list that became an object."""
    return json_body(url, {"tasks": {"0": fields}})


def json_text(url: str, fields: Fields) -> Wire:
    """A JSON text whose value is a JSON text."""
    return Wire("POST", url, JSON, json.dumps(_json(fields).decode(), ensure_ascii=False).encode())


def json_in_json(url: str, fields: Fields) -> Wire:
    return json_body(url, {"data": _json(fields).decode()})


def lines(url: str, fields: Fields) -> Wire:
    """One `name=value` a line, nothing escaped."""
    body = "".join(f"{name}={value}\r\n" for name, value in texts(fields).items())
    return Wire("POST", url, LINES, body.encode())


Packer = Callable[[bytes], bytes]


def _deflated(body: bytes) -> bytes:
    """Deflate without the header and the checksum of zlib, as some servers understand the word."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


GZIP: Packer = gzip.compress
ZLIB: Packer = zlib.compress
DEFLATE: Packer = _deflated
PLAIN: Packer = bytes


def packed(write: Writer, pack: Packer, name: str | None) -> Writer:
    """The same with a body that is compressed, and a Content-Encoding, which need not be right."""

    def write_packed(url: str, fields: Fields) -> Wire:
        wire = write(url, fields)
        return replace(wire, body=pack(wire.body), encoding=name)

    return write_packed


def pasted(write: Writer, space: str) -> Writer:
    """The same to a URL that was pasted with white space behind it."""
    return lambda url, fields: write(url + space, fields)


def pasted_raw(url: str, fields: Fields) -> Wire:
    """A form to a URL with a space behind it that nobody escaped."""
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
    """A query with its letters as they are; a space is a plus, and what would end a value is escaped."""
    keep = "".join(chr(code) for code in range(0x80, 0x530))
    pairs = texts(fields).items()
    return "&".join(f"{name}={_escape_ascii(value, keep)}" for name, value in pairs)


def _escape_ascii(value: str, keep: str) -> str:
    return "".join(letter if letter in keep else quote_plus(letter) for letter in value)
