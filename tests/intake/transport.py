"""A client's way to the hook listener without sockets, in real and in virtual time."""

import asyncio
from collections.abc import Callable
from typing import Any

import h11
import httpx2

from tests.intake.memory import PEER, Line


class HookTransport(httpx2.AsyncBaseTransport):
    """Carries requests to a listener, each on a connection of its own. `connect`: makes the receiver's
    protocol.

    A caller that leaves closes its connection; the receiver goes on with what it has read by then.
    """

    def __init__(self, connect: Callable[[], asyncio.Protocol], peer: str = PEER) -> None:
        self._connect = connect
        self._peer = peer
        self._lines: set[Line] = set()
        self._is_cut = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._is_cut:
            raise httpx2.ConnectError("connection refused")
        client = h11.Connection(h11.CLIENT)
        data = await _as_bytes(client, request)
        line = Line(self._connect, self._peer)
        self._lines.add(line)
        try:
            line.send(data)
            return await _response(client, line)
        finally:
            self._lines.discard(line)
            line.close()

    def cut(self) -> None:
        """End all connections, and let no more begin."""
        self._is_cut = True
        for line in self._lines:
            line.close()


async def _as_bytes(client: h11.Connection, request: httpx2.Request) -> bytes:
    body = await request.aread()
    target = request.extensions.get("target")  # as senders write it who do not escape
    written = request.url.raw_path if target is None else b"/target"
    head = h11.Request(method=request.method, target=written, headers=request.headers.raw)
    events: list[Any] = [head, h11.Data(data=body), h11.EndOfMessage()]
    data = b"".join([client.send(event) or b"" for event in events])
    return data if target is None else data.replace(written, target, 1)


async def _response(client: h11.Connection, line: Line) -> httpx2.Response:
    head: h11.Response | None = None
    body = b""
    while not isinstance(event := client.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif data := line.take():
            client.receive_data(data)
        elif line.is_over:
            raise httpx2.ReadError("connection reset")
        else:
            await line.news()
    assert head is not None
    headers = [(bytes(name), bytes(value)) for name, value in head.headers]
    return httpx2.Response(head.status_code, headers=headers, stream=httpx2.ByteStream(body))
