"""Over a real socket: time-outs, gzip, connections that break."""

import asyncio
import gzip
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import cast

import pytest

from receiver.errors import AmbiguousCreateError, SchedulerUnreachableError
from receiver.observability.metrics import Metrics
from receiver.runtime.clock import WallClock
from receiver.scheduler.account import SchedulerAccount
from receiver.scheduler.client import SchedulerClient
from tests.scheduler.scheduler_env import ACCOUNT, new_task, outcomes

pytestmark = pytest.mark.anyio
Serve = Callable[[asyncio.StreamWriter], Awaitable[None]]


def message(body: object) -> bytes:
    packed = gzip.compress(json.dumps(body).encode())
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
    return f"{head}Content-Length: {len(packed)}\r\nConnection: close\r\n\r\n".encode() + packed


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[SchedulerAccount]:
    """An account at a server on this machine; tokens are granted, all else is served by `serve`."""

    handlers: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.add(cast("asyncio.Task[None]", asyncio.current_task()))
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        # Closing with the body unread would reset the connection under the answer.
        await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r")[0] or 0))
        if "/oauth/token" in head:
            writer.write(message({"access_token": "t", "expires_in": 60}))
        else:
            await serve(writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield replace(ACCOUNT, base_url=f"http://127.0.0.1:{port}/api", timeout=0.2)
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*handlers)


def connected(account: SchedulerAccount, metrics: Metrics, speed: float = 20) -> SchedulerClient:
    return SchedulerClient(account, clock=WallClock(speed), rng=random.Random(1), metrics=metrics)


async def test_a_packed_answer_is_read(metrics: Metrics) -> None:
    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(message({"id": 7, "name": "очередь"}))

    async with serving(serve) as account, connected(replace(account, timeout=60), metrics, 1) as client:
        assert (await client.get_queue(7)).name == "очередь"
    assert outcomes(metrics, "token") == outcomes(metrics, "get_queue") == {"ok": 1}


async def test_a_server_that_drips_is_timed_out(metrics: Metrics) -> None:
    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _n in range(30):
            writer.write(b" ")
            await asyncio.sleep(0.02)

    async with serving(serve) as account, connected(replace(account, timeout=4), metrics) as client:
        with pytest.raises(SchedulerUnreachableError, match="no answer within"):
            await client.get_queue(7)
    assert outcomes(metrics, "get_queue") == {"timeout": 4}


async def test_a_connection_that_breaks_in_a_creation_leaves_doubt_and_one_in_connecting_does_not(
    metrics: Metrics,
) -> None:
    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200")

    async with serving(serve) as account, connected(replace(account, timeout=60), metrics) as client:
        with pytest.raises(AmbiguousCreateError):
            await client.create_tasks(7, [new_task(1)])
    async with connected(replace(account, timeout=60), metrics) as client:
        with pytest.raises(SchedulerUnreachableError, match=r"127[.]0[.]0[.]1:.*: connection refused"):
            await client.create_tasks(7, [new_task(1)])
