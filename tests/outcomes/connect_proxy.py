"""A small HTTP proxy on a socket: it connects, and keeps what it was asked for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class ConnectProxy:
    """`status`: of its answers. `requests`: the heads of requests, in the order in which they came."""

    status: int = 200
    port: int = 0
    requests: list[str] = field(default_factory=list)
    serving: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def targets(self) -> list[str]:
        return [head.split()[1] for head in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one CONNECT, and then pass on what comes from either side."""
        if task := asyncio.current_task():
            self.serving.add(task)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.requests.append(head)
        writer.write(f"HTTP/1.1 {self.status} as told\r\ncontent-length: 0\r\n\r\n".encode())
        if self.status == 200 and head.startswith("CONNECT "):
            host, _, port = head.split()[1].rpartition(":")
            far_reader, far_writer = await asyncio.open_connection(host.strip("[]"), int(port))
            await asyncio.gather(_pipe(reader, far_writer), _pipe(far_reader, writer))
        await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    await _close(writer)


@asynccontextmanager
async def connect_proxy(status: int = 200) -> AsyncIterator[ConnectProxy]:
    """A proxy that listens on a free port."""
    proxy = ConnectProxy(status)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        if proxy.serving:
            await asyncio.wait(proxy.serving, timeout=10)
