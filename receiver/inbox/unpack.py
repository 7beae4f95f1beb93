"""Compressed bodies, by what they begin with rather than by what their sender says of them."""

import zlib
from typing import NamedTuple

PACKED = (b"\x1f\x8b", b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
"""What gzip, and zlib at any level, begin with."""

PACKED_FIRST = frozenset(start[0] for start in PACKED)

MOST = 2**20
"""Bytes that are read of a body once it is unpacked."""

_KNOWN = ("", "identity", "gzip", "x-gzip", "deflate")
_ANY_HEADER, _NO_HEADER = 32 + zlib.MAX_WBITS, -zlib.MAX_WBITS
_LAYERS = 2
"""A body may have been compressed by a program and once more by a proxy."""


class Unpacked(NamedTuple):
    """`problem`: what is missing or could not be unpacked, or None."""

    body: bytes
    problem: str | None


def unpack(body: bytes, encoding: str) -> Unpacked:
    """The body as it was before it was compressed; one that is not compressed as it is. Never raises."""
    codings = [each.strip().lower() for each in encoding.split(",")]
    problem: str | None = None
    for _ in range(_LAYERS):
        found = _unpack(body, "deflate" in codings)
        if found is None:
            break
        body, problem = found
    other = next((each for each in codings if each not in _KNOWN), None)
    if other and problem is None and not body.isascii():
        problem = f"compressed with {other[:20]!r}; only gzip and deflate can be read"
    return Unpacked(body, problem)


def _unpack(body: bytes, may_be_bare: bool) -> Unpacked | None:
    """None where it is not compressed."""
    if body.startswith(PACKED):
        found = _inflate(body, _ANY_HEADER)
        if found.body or body.startswith(PACKED[0]):
            return found
    if may_be_bare and body:
        found = _inflate(body, _NO_HEADER)
        # Almost any text is the beginning of something that can be inflated for a while.
        if found.body and found.problem is None:
            return found
    return None


def _inflate(body: bytes, window: int) -> Unpacked:
    """All members of a stream, as far as they can be unpacked."""
    parts: list[bytes] = []
    room = MOST
    while body:
        stream = zlib.decompressobj(window)
        try:
            part = stream.decompress(body, room)
        except zlib.error:
            return Unpacked(b"".join(parts), "broken compression")
        parts.append(part)
        room -= len(part)
        if not stream.eof:
            # Where there is no room left a byte more would tell, but a cut body is as good as a broken one.
            problem = "more than 1 MiB once it is unpacked" if room <= 0 else "broken compression"
            return Unpacked(b"".join(parts), problem)
        if room <= 0 or not stream.unused_data.startswith(PACKED[0]):
            break
        body = stream.unused_data
    return Unpacked(b"".join(parts), None)
