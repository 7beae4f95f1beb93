"""Connections are accepted a few at a time, and again after the system has refused."""

import asyncio
import errno
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from receiver.intake import acceptor
from receiver.intake.acceptor import SocketAcceptor

pytestmark = pytest.mark.anyio


class Echo(asyncio.Protocol):
    """Sends back what it is sent."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


def always() -> int:
    return 1_000


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


async def echoed(sock: socket.socket, text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*sock.getsockname())
    writer.write(text)
    answer = await asyncio.wait_for(reader.readexactly(len(text)), 10)
    writer.close()
    return answer


async def test_more_than_are_accepted_in_one_turn_all_get_their_turn(sock: socket.socket) -> None:
    waiting = [socket.create_connection(sock.getsockname()) for _ in range(3 * acceptor._AT_ONCE)]
    made: list[int] = []

    def connect() -> Echo:
        made.append(1)
        return Echo()

    taken = SocketAcceptor(sock, connect, always)
    try:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(made) <= 2 * acceptor._AT_ONCE
        assert await echoed(sock, b"last") == b"last"
        assert len(made) == len(waiting) + 1
    finally:
        await taken.close()
        for each in waiting:
            each.close()


async def test_a_closed_one_accepts_no_more(sock: socket.socket) -> None:
    address = sock.getsockname()
    taken = SocketAcceptor(sock, Echo, always)
    await taken.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)


async def test_to_close_waits_for_those_that_were_accepted(sock: socket.socket) -> None:
    begun: list[Echo] = []

    def connect() -> Echo:
        begun.append(Echo())
        return begun[-1]

    taken = SocketAcceptor(sock, connect, always)
    waiting = [socket.create_connection(sock.getsockname()) for _ in range(5)]
    while not taken._beginning:
        await asyncio.sleep(0)
    await taken.close()
    assert len(begun) == 5
    assert all(hasattr(each, "transport") for each in begun)
    for each in waiting:
        each.close()


async def test_a_sender_that_has_gone_before_it_is_accepted_stops_nobody(sock: socket.socket) -> None:
    gone = socket.create_connection(sock.getsockname())
    gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    gone.close()
    taken = SocketAcceptor(sock, Echo, always)
    assert await echoed(sock, b"on") == b"on"
    await taken.close()


async def test_without_room_the_system_keeps_them_until_there_is(sock: socket.socket) -> None:
    rooms = [1, 0, 0]
    taken = SocketAcceptor(sock, Echo, lambda: rooms.pop(0) if rooms else 1)
    assert [await echoed(sock, text) for text in (b"first", b"second")] == [b"first", b"second"]
    assert not rooms
    await taken.close()


class Refusing(socket.socket):
    """A socket for which the system has no file left until `allowed`."""

    allowed = False

    def accept(self) -> Any:
        if not self.allowed:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


async def test_without_a_file_left_it_is_said_and_accepted_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptor, "_PAUSE_S", 0.01)
    with Refusing() as sock, capture_logs() as logs:
        sock.bind(("127.0.0.1", 0))
        taken = SocketAcceptor(sock, Echo, always)
        asking = asyncio.create_task(echoed(sock, b"late"))
        while not logs:
            await asyncio.sleep(0.01)
        asyncio.get_running_loop().call_later(0.05, partial(setattr, sock, "allowed", True))
        assert await asking == b"late"
        await taken.close()
    assert [line["problem"] for line in logs] == ["Too many open files"]
