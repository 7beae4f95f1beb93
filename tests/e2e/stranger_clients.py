"""Clients that bring no hook: silent, trickling, with large heads, with answers that they do not read.

Each function returns what was answered, by status; `closed` counts connections that were closed without one.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_PATIENCE_S = 15.0
_AT_ONCE = 20
"""Connections on which heads are sent."""

_UNKNOWN = b"/hooks/main/before/nobody-%d/k1.no-token"
"""A path that has the form of a hook's, and proves nothing."""

_SMALL_BUFFER = 4096
_LOOK_S = 0.01

Answers = Counter[str]


async def silent(port: int, number: int, over: asyncio.Event) -> Answers:
    """Connections that say nothing until `over`. One that is closed is opened again, after a moment."""
    answers: Answers = Counter()

    async def stay() -> None:
        while not over.is_set():
            async with _connected(port) as (reader, _):
                said = asyncio.ensure_future(_status(reader))
                waiting = asyncio.ensure_future(over.wait())
                await asyncio.wait([said, waiting], return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if said.done():
                    answers[said.result()] += 1
                else:
                    said.cancel()
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 0.5)

    await asyncio.gather(*(stay() for _ in range(number)))
    return answers


async def trickling(port: int, number: int, every_s: float) -> Answers:
    """Connections that send a head byte by byte, until they get an answer."""

    async def trickle() -> str:
        async with _connected(port) as (reader, writer):
            status = asyncio.ensure_future(_status(reader))
            with suppress(ConnectionError):
                for byte in _head(0, 4_000):
                    writer.write(bytes((byte,)))
                    await writer.drain()
                    await asyncio.wait([status], timeout=every_s)
                    if status.done():
                        break
            return await status

    return Counter(await asyncio.gather(*(trickle() for _ in range(number))))


async def heads(port: int, number: int, size: int) -> Answers:
    """So many heads of `size` bytes without authentication, no two alike, on connections that stay open if
    they may. Every second one has most of its bytes in its path.
    """
    answers: Answers = Counter()
    numbers = iter(range(number))

    async def send() -> None:
        for first in numbers:
            async with _connected(port) as (reader, writer):
                answers[status := await _answered(reader, writer, _head(first, size))] += 1
                while status == "404" and (following := next(numbers, None)) is not None:
                    answers[status := await _answered(reader, writer, _head(following, size))] += 1

    await asyncio.gather(*(send() for _ in range(_AT_ONCE)))
    return answers


async def pipelining(port: int, requests: int, path: bytes) -> int:
    """Send so many requests on one connection and read no answer; how many were sent until it was closed, or
    patience was at its end.
    """
    request = b"GET " + path + b" HTTP/1.1\r\nHost: receiver\r\n\r\n"
    return await _send_unread(port, request * requests) // len(request)


async def _send_unread(port: int, data: bytes) -> int:
    """Bytes that could be sent to a receiver whose answers nobody reads. Returns once it is closed."""
    loop, sent, deadline = asyncio.get_running_loop(), 0, asyncio.get_running_loop().time() + _PATIENCE_S
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        with suppress(ConnectionError):
            while loop.time() < deadline:
                try:
                    sent += sock.send(data[sent : sent + 65_536] or b"\r\n")
                except BlockingIOError:
                    await asyncio.sleep(_LOOK_S)
                await asyncio.sleep(0 if sent < len(data) else _LOOK_S)
    return min(sent, len(data))


def _head(number: int, size: int) -> bytes:
    """A request without a body, of so many bytes."""
    path = _UNKNOWN % number
    if number % 2:
        head = b"GET " + path + b"/%s HTTP/1.1\r\nHost: receiver\r\n\r\n"
    else:
        head = b"GET " + path + b" HTTP/1.1\r\nHost: receiver\r\nX-Filler: %s\r\n\r\n"
    return head % (b"f%07d" % number * (size // 8))[: size - len(head) + 2]


async def _answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> str:
    """The status that is answered to this, or `closed`."""
    with suppress(ConnectionError):
        writer.write(data)
        await writer.drain()
    return await _status(reader)


async def _status(reader: asyncio.StreamReader) -> str:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
        await reader.readexactly(int(length))
    except (EOFError, ConnectionError):
        return "closed"
    return head[9:12].decode()


@asynccontextmanager
async def _connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
