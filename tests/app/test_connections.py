"""Odd senders over real sockets, on both event loops: idle, slow, too many, half gone, and never reading."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from receiver.settings.models import ListenerSettings
from tests.app.serving import Serving, serving

pytestmark = pytest.mark.anyio

LIMITS = ListenerSettings(max_connections=20, max_head_bytes=2048, head_s=0.5, body_s=1.0, idle_s=1.5)
CLOSED = "callback_intake_connections_closed_total"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
async def service(anyio_backend: object, tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving(tmp_path, listener=LIMITS) as service:
        yield service


async def rest(streams: Streams) -> bytes:
    """All that comes until the end of the connection."""
    data = b""
    async with asyncio.timeout(10):
        try:
            while piece := await streams[0].read(65_536):
                data += piece
        except ConnectionError:
            pass
    streams[1].close()
    return data


def post(path: str, length: int = 4) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("part", "begins", "reason"),
    [(b"", b"", "idle"), (b"POST /", b"HTTP/1.1 408 ", "head"), (post("/hooks/"), b"HTTP/1.1 404 ", "body")],
)
async def test_what_does_not_come_in_time_ends_the_connection(
    service: Serving, part: bytes, begins: bytes, reason: str
) -> None:
    streams = await service.connect()
    streams[1].write(part)
    answer = await rest(streams)
    assert answer.startswith(begins)
    assert (begins == b"") == (answer == b"")
    assert (await service.metrics())[f"{CLOSED}{{{reason}_timeout}}"] == 1


async def test_strangers_that_hold_all_connections_keep_no_hook_out(service: Serving) -> None:
    strangers = [await service.connect() for _ in range(60)]
    for number, (_, writer) in enumerate(strangers):
        if not writer.is_closing():
            writer.write(b"POST /hooks/main/before/r1"[: number % 20])
    for number in range(10):
        assert (await service.hooks.post(service.hook(f"r{number}"))).status_code == 200
    metrics = await service.metrics()
    assert metrics["callback_intake_connections{}"] <= 20
    assert metrics[f"{CLOSED}{{limit}}"] >= 40
    assert len(await service.kept()) == 10
    for _, writer in strangers:
        writer.close()


async def test_who_sends_no_more_is_answered(service: Serving) -> None:
    reader, writer = await service.connect()
    writer.write(post(service.hook("r1")) + b"id=7" + post(service.hook("r2")) + b"id=8")
    writer.write_eof()
    answers = await rest((reader, writer))
    assert (answers.count(b"HTTP/1.1 200 "), answers.count(b"connection: close")) == (2, 1)
    assert {row["body"] for row in await service.kept()} == {b"id=7", b"id=8"}


async def ask_for_ever(writer: asyncio.StreamWriter) -> None:
    """Until the connection takes no more."""
    while True:
        writer.write(b"GET /hooks/ HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000)
        await writer.drain()


async def test_who_never_reads_is_read_from_no_more_and_let_go_of(service: Serving) -> None:
    reader, writer = await service.connect()
    asking = asyncio.create_task(ask_for_ever(writer))
    await service.until(f"{CLOSED}{{unread_timeout}}", 1)
    answered = (await service.metrics())["callback_intake_requests_total{unknown,refused}"]
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(asking, 10)
    writer.transport.abort()
    with suppress(ConnectionError):
        await reader.read()
    assert (await service.hooks.post(service.hook("r1"))).status_code == 200
    metrics = await service.metrics()
    assert metrics["callback_intake_requests_total{unknown,refused}"] == answered
    assert metrics["callback_intake_in_flight_requests{}"] == 0
