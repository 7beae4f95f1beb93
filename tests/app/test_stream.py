"""The feed as server-sent events, over real connections."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from receiver.outcomes.events import Outcome
from receiver.outcomes.outbox_sql import add_outcomes
from tests.app.serving import Serving, serving

pytestmark = pytest.mark.anyio

Json = dict[str, Any]


class Reader:
    """A reader of the stream over a socket of its own."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self.reader, self.writer = streams

    @classmethod
    async def open(cls, service: Serving, token: dict[str, str], last: int | None = None) -> "Reader":
        it = cls(await service.connect_api())
        lines = ["GET /v1/outcomes/stream HTTP/1.1", "Host: x", f"Authorization: {token['Authorization']}"]
        if last is not None:
            lines.append(f"Last-Event-ID: {last}")
        it.writer.write("\r\n".join([*lines, "", ""]).encode())
        async with asyncio.timeout(5):
            head = await it.reader.readuntil(b"\r\n\r\n")
        assert b"200 OK" in head
        assert b"text/event-stream" in head
        return it

    async def next(self) -> tuple[int, Json]:
        """The next event: (id, what it says)."""
        async with asyncio.timeout(5):
            while True:
                block = (await self.reader.readuntil(b"\n\n")).decode()
                if "\nid: " in block or block.startswith("id: "):
                    lines = dict(line.split(": ", 1) for line in block.strip().splitlines() if ": " in line)
                    return int(lines["id"]), orjson.loads(lines["data"])

    async def is_over(self) -> bool:
        async with asyncio.timeout(5):
            while await self.reader.read(65_536):
                pass
        return True


async def test_the_stream_tells_as_it_happens_and_goes_on_where_it_broke_off(service: Serving) -> None:
    token = await service.token("read")
    reader = await Reader.open(service, token)
    await service.hooks.get(service.hook("r1"))
    first, event = await reader.next()
    assert (event["type"], event["data"]["ref"]) == ("task.started", "r1")
    reader.writer.close()
    await service.hooks.get(service.hook("r2"))
    await service.receiver.caught_up()
    again = await Reader.open(service, token, last=first)
    told = [(await again.next())[1] for _ in range(3)]
    assert [(each["type"], each["data"]["ref"]) for each in told] == [
        *(("task.attempt_started", "r1"), ("task.started", "r2")),
        ("task.attempt_started", "r2"),
    ]
    again.writer.close()


async def test_a_stop_ends_streams_at_once(service: Serving) -> None:
    reader = await Reader.open(service, await service.token("read"))
    began = asyncio.get_running_loop().time()
    service.service.stop()
    assert await reader.is_over()
    assert asyncio.get_running_loop().time() - began < 2
    reader.writer.close()


async def test_a_reader_that_takes_nothing_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    data = {"queue_id": None, "result": "unknown", "name": "x" * 100_000}
    bulky = [(Outcome(f"evt_{n}", "main", f"r{n}", "task.started", 0, 0.0, data), 0.0) for n in range(200)]
    async with serving(tmp_path) as service:
        await service.receiver.store.write(lambda connection: add_outcomes(connection, bulky))
        reader = await Reader.open(service, await service.token("read"), last=0)
        await asyncio.sleep(0.3)
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 2
    reader.writer.close()


async def test_the_stream_is_for_those_with_a_token(service: Serving) -> None:
    assert (await service.http.get("/v1/outcomes/stream")).status_code == 401
    wrong = {"Authorization": "Bearer rcv_wrong"}
    assert (await service.http.get("/v1/outcomes/stream", headers=wrong)).status_code == 401
