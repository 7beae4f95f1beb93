"""Requests of which two servers could disagree where they end: each hides a second request behind its own.

The receiver must refuse the first with a 4xx, close the connection and keep neither.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from tests.e2e.alone import hook_url

REF = "smuggled"
"""The beginning of the ref of every hook that is sent here."""

_PATIENCE_S = 10.0
_ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def _path(name: str) -> bytes:
    """Where a hook of the ref `smuggled-NAME` goes."""
    return hook_url("", f"{REF}-{name}", "before").encode()


def _post(name: str, *lines: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    """The head of an authentic hook with these headers."""
    return b"\r\n".join((b"POST " + _path(name) + b" " + version, b"Host: receiver", *lines, b"", b""))


_LENGTH = b"Content-Length: 0"
_LONG = b"Content-Length: 200"
_CHUNKED = b"Transfer-Encoding: chunked"
_LAST = b"0\r\n\r\n"
_CHUNKS = b"5\r\nid=42\r\n" + _LAST


def _hidden(name: str) -> bytes:
    return _post(f"{name}-hidden", _LENGTH)


def _with(*lines: bytes, body: bytes = b"", version: bytes = b"HTTP/1.1") -> Callable[[str], bytes]:
    return lambda name: _post(name, *lines, version=version) + body + _hidden(name)


def _in_chunks(body: bytes) -> Callable[[str], bytes]:
    return _with(_CHUNKED, body=body)


ATTEMPTS: Mapping[str, Callable[[str], bytes]] = {
    "two lengths": _with(_LENGTH, _LONG),
    "the same length twice": _with(b"Content-Length: 5", b"Content-Length: 5", body=b"id=42"),
    "a list of lengths": _with(b"Content-Length: 5, 5", body=b"id=42"),
    "a length with a sign": _with(b"Content-Length: +5", body=b"id=42"),
    "a negative length": _with(b"Content-Length: -5", body=b"id=42"),
    "a hexadecimal length": _with(b"Content-Length: 0x5", body=b"id=42"),
    "a length that is no number": _with(b"Content-Length: five", body=b"id=42"),
    "a length of twenty digits": _with(b"Content-Length: 99999999999999999999", body=b"id=42"),
    "both framings": _with(_LONG, _CHUNKED, body=_LAST),
    "both framings, the other way round": _with(_CHUNKED, _LONG, body=_LAST),
    "two codings": _with(_CHUNKED, b"Transfer-Encoding: identity", body=_CHUNKS),
    "a list of codings": _with(b"Transfer-Encoding: chunked, identity", body=_CHUNKS),
    "an unknown coding": _with(b"Transfer-Encoding: xchunked", body=_CHUNKS),
    "a coding in HTTP/1.0": _with(_CHUNKED, body=_CHUNKS, version=b"HTTP/1.0"),
    "a space before the colon": _with(b"Content-Length : 5", body=b"id=42"),
    "a tab before the colon": _with(b"Transfer-Encoding\t: chunked", body=_CHUNKS),
    "a folded header": _with(b"Transfer-Encoding:\r\n chunked", body=_CHUNKS),
    "a first header that is folded": _with(b" Transfer-Encoding: chunked", body=_CHUNKS),
    "a bare line feed": _with(b"X-Filler: a\nTransfer-Encoding: chunked", body=_CHUNKS),
    "bare line feeds": lambda name: _post(name, _LENGTH).replace(b"\r\n", b"\n") + _hidden(name),
    "a bare carriage return": _with(b"X-Filler: a\rTransfer-Encoding: chunked", body=_CHUNKS),
    "a zero byte": _with(b"X-Filler: a\0b", _LENGTH),
    "an unknown version": _with(_LENGTH, version=b"HTTP/1.2"),
    "no version": lambda name: b"GET " + _path(name) + b"\r\n\r\n" + _hidden(name),
    "a chunk size that is no number": _in_chunks(b"five\r\nid=42\r\n" + _LAST),
    "a negative chunk size": _in_chunks(b"-5\r\nid=42\r\n" + _LAST),
    "a chunk size of twenty digits": _in_chunks(b"f" * 20 + b"\r\nid=42\r\n" + _LAST),
    "a chunk size that ends with a line feed": _in_chunks(b"5\nid=42\r\n" + _LAST),
    "a chunk extension with a line feed": _in_chunks(b"5;a\nb\r\nid=42\r\n" + _LAST),
    "a chunk that is longer than its size": _in_chunks(b"5\r\nid=42&a=b\r\n" + _LAST),
}


HONEST = "honest"
"""The name of a request without any fault."""

_honest = _with(b"Content-Length: 5", body=b"id=42")


@dataclass(frozen=True)
class Attempt:
    """What was answered: statuses in their order, and whether the connection was closed."""

    statuses: tuple[int, ...]
    is_closed: bool

    @property
    def is_refused(self) -> bool:
        return len(self.statuses) == 1 and 400 <= self.statuses[0] < 500 and self.is_closed

    def __str__(self) -> str:
        return f"{self.statuses}, {'closed' if self.is_closed else 'left open'}"


async def smuggle(port: int) -> dict[str, Attempt]:
    """Each of the attempts, on a connection of its own."""
    made = {name: make(f"{number}") for number, (name, make) in enumerate(ATTEMPTS.items())}
    return {name: await _attempt(port, data) for name, data in made.items()}


async def is_taken_without_fault(port: int) -> bool:
    """Whether two hooks are taken that are sent just so, but for any fault."""
    attempt = await _attempt(port, _honest(HONEST) + b"GET /healthz HTTP/1.0\r\n\r\n")
    return attempt.statuses == (200, 200, 200)


async def _attempt(port: int, data: bytes) -> Attempt:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answered, is_closed = b"", False
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            with suppress(ConnectionError):
                writer.write(data)
                while piece := await reader.read(65_536):
                    answered += piece
            is_closed = True
    writer.close()
    return Attempt(tuple(int(status) for status in _ANSWER.findall(answered)), is_closed)
