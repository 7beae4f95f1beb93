"""Connections to the hook listener without sockets: in memory, so that they work in virtual time as well."""

import asyncio
from collections.abc import Callable
from typing import cast

import httpx2

HIGH_WATER = 65_536
"""Bytes that wait for the sender to read them before the receiver is told of it, as asyncio has it."""

PATIENCE_S = 1_000.0
"""Seconds without news after which a sender gives up; in virtual time they pass at once."""

PEER = "198.51.100.7"
HEAD_END = b"\r\n\r\n"


class MemoryTransport(asyncio.Transport):
    """The receiver's end of a connection. `reads`: whether the sender at the other end reads; `arriving`:
    bytes that the receiver has not read; `unread`: bytes that the sender has not read.
    """

    def __init__(self, peer: str) -> None:
        super().__init__({"peername": (peer, 4711)})
        self.protocol: asyncio.Protocol | None = None
        self.reads = True
        self.sends = True
        self.is_lost = self.is_paused = False
        self.arriving, self.unread, self.received = bytearray(), bytearray(), bytearray()
        self.news = asyncio.Event()
        self._has_told_of_eof = self._is_told_to_pause = self._is_closing = self._is_ending = False

    # Called by the receiver

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.unread += data
        self.pass_on()

    def close(self) -> None:
        """End the connection once the sender has read everything."""
        self._is_closing = True
        self.pass_on()

    def abort(self) -> None:
        self.unread.clear()
        self.end()

    def is_closing(self) -> bool:
        return self._is_closing

    def get_write_buffer_size(self) -> int:
        return len(self.unread)

    def pause_reading(self) -> None:
        assert not self.is_paused
        self.is_paused = True

    def resume_reading(self) -> None:
        assert self.is_paused
        self.is_paused = False
        asyncio.get_running_loop().call_soon(self.deliver)

    # Called by the sender

    def deliver(self) -> None:
        """Let the receiver have what was sent, if it reads."""
        protocol = cast(asyncio.Protocol, self.protocol)
        if self.arriving and not (self.is_paused or self._is_closing):
            data = bytes(self.arriving)
            self.arriving.clear()
            protocol.data_received(data)
        if not (self.sends or self.arriving or self.is_paused or self._is_closing or self._has_told_of_eof):
            self._has_told_of_eof = True
            if not protocol.eof_received():
                self.close()

    def pass_on(self) -> None:
        """Let the sender have what was written, if it reads, and the receiver know how much is left."""
        if self.reads and self.unread:
            self.received += self.unread
            self.unread.clear()
            self.news.set()
        protocol = cast(asyncio.Protocol, self.protocol)
        if len(self.unread) > HIGH_WATER and not self._is_told_to_pause:
            self._is_told_to_pause = True
            protocol.pause_writing()
        elif not self.unread and self._is_told_to_pause:
            self._is_told_to_pause = False
            protocol.resume_writing()
        if self._is_closing and not self.unread:
            self.end()

    def end(self) -> None:
        """End the connection for both."""
        self._is_closing = True
        if not self._is_ending:
            self._is_ending = True
            asyncio.get_running_loop().call_soon(self._lose)

    def _lose(self) -> None:
        self.is_lost = True
        cast(asyncio.Protocol, self.protocol).connection_lost(None)
        self.news.set()


class Line:
    """A sender's end of a connection. `connect`: makes the receiver's protocol."""

    def __init__(self, connect: Callable[[], asyncio.Protocol], peer: str = PEER) -> None:
        self.transport = MemoryTransport(peer)
        self.transport.protocol = connect()
        self.transport.protocol.connection_made(self.transport)
        self._taken = 0

    def send(self, data: bytes) -> None:
        """Send it in one piece, which waits while the receiver does not read."""
        self.transport.arriving += data
        self.transport.deliver()

    def send_eof(self) -> None:
        """Send no more, and go on reading."""
        self.transport.sends = False
        self.transport.deliver()

    def close(self) -> None:
        """Leave."""
        self.transport.end()

    def stop_reading(self) -> None:
        self.transport.reads = False

    def read_on(self) -> None:
        """Read what waits, and whatever comes."""
        self.transport.reads = True
        self.transport.pass_on()

    @property
    def is_over(self) -> bool:
        """Whether the connection has ended."""
        return self.transport.is_lost

    async def ends(self) -> bytes:
        """All that comes until the connection has ended."""
        while not self.is_over:
            await self.news()
        return self.take()

    def take(self) -> bytes:
        """What came and was not taken yet."""
        data = bytes(self.transport.received[self._taken :])
        self._taken += len(data)
        return data

    async def head(self) -> bytes:
        """The next head."""
        while (end := self.transport.received.find(HEAD_END, self._taken)) < 0:
            await self._more()
        return self._first(end + len(HEAD_END) - self._taken)

    async def exactly(self, size: int) -> bytes:
        """The next bytes."""
        while len(self.transport.received) < self._taken + size:
            await self._more()
        return self._first(size)

    async def answer(self, method: str = "POST") -> httpx2.Response:
        """The next answer. `method`: of the request; the answer to a HEAD has no body."""
        first, *lines = (await self.head()).decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        version, status, _ = first.split(" ", 2)
        assert version == "HTTP/1.1"
        headers = httpx2.Headers(
            [(name, value) for name, _, value in (each.partition(": ") for each in lines)]
        )
        body = b"" if method == "HEAD" else await self.exactly(int(headers["content-length"]))
        return httpx2.Response(int(status), headers=headers, content=body)

    async def ask(self, request: bytes) -> httpx2.Response:
        """Send it and wait for the next answer."""
        self.send(request)
        return await self.answer()

    async def news(self) -> None:
        """Returns once something has come, or the connection has ended."""
        self.transport.news.clear()
        async with asyncio.timeout(PATIENCE_S):
            await self.transport.news.wait()

    async def _more(self) -> None:
        if self.is_over:
            raise httpx2.ReadError(f"the connection has ended behind {self.take()!r}")
        await self.news()

    def _first(self, size: int) -> bytes:
        data = bytes(self.transport.received[self._taken : self._taken + size])
        self._taken += size
        return data
