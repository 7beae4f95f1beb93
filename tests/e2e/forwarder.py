"""An address of TCP behind which servers change: it forwards to the socket of whichever is its target now."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_CHUNK = 65_536


class Forwarder:
    """`target`: a Unix socket. While there is none, connections are refused."""

    def __init__(self, target: Path | None) -> None:
        self.port = 0
        self._target = target
        self._open: set[asyncio.StreamWriter] = set()
        self._silent: set[asyncio.StreamWriter] = set()
        self._over = asyncio.Event()

    def move(self, target: Path | None) -> None:
        """From now on new connections lead there; those that are open are cut."""
        self.retarget(target)
        for writer in self._open | self._silent:
            writer.transport.abort()

    def retarget(self, target: Path | None) -> None:
        """From now on new connections lead there; those that are open stay as they are."""
        self._target = target

    def fall_silent(self) -> None:
        """Whoever is connected hears nothing more, and yet stays connected."""
        self._silent |= self._open

    async def serve(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        """Forward one connection until one side ends it."""
        with suppress(OSError):
            if self._target is not None:
                server, ask = await asyncio.open_unix_connection(str(self._target))
                writers = {answer, ask}
                self._open |= writers
                try:
                    await asyncio.gather(self._pass(client, ask), self._pass(server, answer))
                finally:
                    self._open -= writers
                    ask.transport.abort()
        answer.transport.abort()

    def close(self) -> None:
        """End all connections."""
        self._over.set()
        self.move(None)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(_CHUNK):
            if sink not in self._silent:
                sink.write(data)
                await sink.drain()
        if sink in self._silent:
            await self._over.wait()
        raise ConnectionResetError  # half of a connection is of no use to anybody


@asynccontextmanager
async def forwarding(target: Path | None) -> AsyncIterator[Forwarder]:
    """One on a free port of this machine."""
    forwarder = Forwarder(target)
    server = await asyncio.start_server(forwarder.serve, "127.0.0.1", 0)
    forwarder.port = int(server.sockets[0].getsockname()[1])
    try:
        yield forwarder
    finally:
        server.close()
        forwarder.close()
        await asyncio.sleep(0.05)  # in which the connections end
