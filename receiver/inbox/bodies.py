"""Bodies and queries as text: decompressed, decoded, and split into the pairs of a form.

Compression is recognized by the first bytes, not by the Content-Encoding. Forms may be escaped once, twice,
for HTML, or not at all.
"""

import re
import zlib
from typing import NamedTuple
from urllib.parse import quote, unquote_plus, unquote_to_bytes

COMPRESSED = (b"\x1f\x8b", b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
"""First bytes of gzip, and of zlib at any level."""

COMPRESSED_FIRST = frozenset(start[0] for start in COMPRESSED)

MAX_BYTES = 2**20
"""Maximum bytes of a body after decompression."""

_KNOWN_CODINGS = ("", "identity", "gzip", "x-gzip", "deflate")
_ANY_HEADER, _NO_HEADER = 32 + zlib.MAX_WBITS, -zlib.MAX_WBITS
_LAYERS = 2
"""A body may be compressed by a program and once more by a proxy."""

_LINE = re.compile(r"\s*([\w.\[\]-]{1,100})\s*([=:])(.*)", re.DOTALL)
_ESCAPED = re.compile(r"(?:[\w.~+!*'(),:-]|%[0-9A-Fa-f]{2})+", re.ASCII)
_PLACEHOLDER = re.compile(r"%[A-Za-z_]\w*%", re.ASCII)
"""`%call_id%`, a placeholder that was not expanded, begins like an escape."""


BROKEN_COMPRESSION = "broken compression"
"""Problem of a body that can be decompressed in part only."""


class Decompressed(NamedTuple):
    """`problem`: what could not be decompressed, or None."""

    body: bytes
    problem: str | None


def decompress(body: bytes, encoding: str) -> Decompressed:
    """Return the body without compression. `encoding`: the Content-Encoding. Never raises."""
    codings = [coding.strip().lower() for coding in encoding.split(",")]
    problem: str | None = None
    for _ in range(_LAYERS):
        found = _decompress_once(body, "deflate" in codings)
        if found is None:
            break
        body, problem = found
    other = next((coding for coding in codings if coding not in _KNOWN_CODINGS), None)
    if other and problem is None and not body.isascii():
        problem = f"compressed with {other[:20]!r}; only gzip and deflate can be read"
    return Decompressed(body, problem)


def _decompress_once(body: bytes, may_be_bare: bool) -> Decompressed | None:
    """Return None if the body is not compressed."""
    if body.startswith(COMPRESSED):
        found = _inflate(body, _ANY_HEADER)
        if found.body or body.startswith(COMPRESSED[0]):
            return found
    if may_be_bare and body:
        found = _inflate(body, _NO_HEADER)
        # The beginning of almost any text can be inflated.
        if found.body and found.problem is None:
            return found
    return None


def _inflate(body: bytes, window: int) -> Decompressed:
    """Decompress all members of a stream, as far as possible."""
    parts: list[bytes] = []
    room = MAX_BYTES
    while body:
        stream = zlib.decompressobj(window)
        try:
            part = stream.decompress(body, room)
        except zlib.error:
            return Decompressed(b"".join(parts), BROKEN_COMPRESSION)
        parts.append(part)
        room -= len(part)
        if not stream.eof:
            # Without room another byte would tell, but a cut body is as good as a broken one.
            problem = "more than 1 MiB once it is unpacked" if room <= 0 else BROKEN_COMPRESSION
            return Decompressed(b"".join(parts), problem)
        if room <= 0 or not stream.unused_data.startswith(COMPRESSED[0]):
            break
        body = stream.unused_data
    return Decompressed(b"".join(parts), None)


def decode(data: bytes) -> str:
    """Decode UTF-8, or else cp1251, which has a letter for almost every byte."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1251", errors="replace")


def odd_form(text: str) -> str:
    """Return a form that was escaped as a whole, or that has lines with colons, as a form; other text as it
    is.
    """
    if "%3d" in text.lower() or text[:3].upper() == "%7B":
        return unquote_plus(text) + ("" if "%3d" in text.lower() else "=")
    lines = lines_of(text, ":")
    return "&".join(f"{name}={quote(value)}" for name, value in lines) if lines else text


def lines_of(text: str, sign: str) -> list[tuple[str, str]] | None:
    """Return the pairs of lines of a name, the sign and a value; None if a line is different."""
    found = [_LINE.fullmatch(line) for line in text.splitlines() if line.strip()]
    if len(found) < 2 and sign == "=":
        return None
    pairs = [(line[1], line[3].strip()) for line in found if line and line[2] == sign]
    return pairs if pairs and len(pairs) == len(found) else None


def pairs_of(text: str) -> list[tuple[str, str]]:
    """Return the pairs of a query or form; percent-escapes may be UTF-8 or cp1251."""
    plain = _unescape if text.isascii() else unquote_plus
    halves = (part.partition("=") for part in text.split("&") if part)
    return [(plain(name), plain(value)) for name, _, value in halves]


def _unescape(text: str) -> str:
    text = text.replace("+", " ")
    return _unescape_percents(text) if "%" in text else text


def _unescape_percents(text: str) -> str:
    if text.endswith("%") and _PLACEHOLDER.fullmatch(text):
        return text
    plain = decode(unquote_to_bytes(text))
    # Text that still has escapes was escaped twice.
    if "%25" in text and "%" in plain and _ESCAPED.fullmatch(plain.replace(" ", "+")):
        return decode(unquote_to_bytes(plain.replace("+", " ")))
    return plain
