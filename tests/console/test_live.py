"""Streams of live updates, over real connections."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from receiver.console import live, news
from receiver.console.sign_in.session_sql import end_sessions_of
from receiver.outcomes.events import Outcome
from receiver.outcomes.outbox_sql import add_outcomes
from tests.app.serving import Serving, serving
from tests.console.page_env import add_session

pytestmark = pytest.mark.anyio


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving(tmp_path) as service:
        yield service


class Listener:
    """A visitor that listens to a stream over a socket of its own."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], head: str) -> None:
        self.reader, self.writer = streams
        self.head = head

    @classmethod
    async def open(cls, service: Serving, session: str | None, query: str = "") -> "Listener":
        reader, writer = await service.connect_api()
        lines = [f"GET /console/stream{query} HTTP/1.1", f"Host: 127.0.0.1:{service.api_port}"]
        lines += ["Connection: close"]
        if session:
            lines.append(f"Cookie: receiver_session_{service.api_port}={session}")
        writer.write("\r\n".join([*lines, "", ""]).encode())
        async with asyncio.timeout(5):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        return cls((reader, writer), head)

    @property
    def status(self) -> int:
        return int(self.head.split()[1])

    async def next(self, timeout_s: float = 8) -> tuple[str, str]:
        """The next event: its name and its data."""
        async with asyncio.timeout(timeout_s):
            while True:
                block = (await self.reader.readuntil(b"\n\n")).decode()
                lines = [line for line in block.splitlines() if line.startswith(("event: ", "data:"))]
                if lines and lines[0].startswith("event: "):
                    return lines[0][7:], "\n".join(line[5:].strip() for line in lines[1:])

    async def is_over(self) -> bool:
        async with asyncio.timeout(5):
            while await self.reader.read(65_536):
                pass
        return True


Listen = Callable[..., Awaitable[Listener]]
"""`listen(session, query="")`"""


@pytest.fixture
async def listen(service: Serving) -> AsyncIterator[Listen]:
    """Opens streams, which are closed at the end."""
    opened: list[Listener] = []

    async def open_one(session: str | None, query: str = "") -> Listener:
        opened.append(await Listener.open(service, session, query))
        return opened[-1]

    yield open_one
    for listener in opened:
        listener.writer.close()


async def session(service: Serving, role: str = "viewer") -> str:
    return await service.receiver.store.write(partial(add_session, role=role))


async def hear(service: Serving, ref: str) -> None:
    """A hook of a task, read and folded."""
    await service.hooks.get(service.hook(ref))
    await service.receiver.caught_up()


async def looking(listener: Listener) -> None:
    """Wait until the hub knows the newest outcome: only later ones are news."""
    await asyncio.wait_for(listener.reader.readuntil(b"retry: 3000\n\n"), 5)


async def test_a_change_of_a_task_is_told_to_lists_and_to_its_own_page(
    service: Serving, listen: Listen
) -> None:
    visitor = await session(service)
    queries = ("", "?task=main/r1", "?task=main/r2")
    everything, own, other = [await listen(visitor, query) for query in queries]
    await looking(other)
    await hear(service, "r1")
    assert [await stream.next() for stream in (everything, own)] == [("changed", '{"tasks":["main/r1"]}')] * 2
    await hear(service, "r2")
    assert await other.next() == ("changed", '{"tasks":["main/r2"]}')


async def test_a_page_of_a_task_is_told_again_later_since_deliveries_follow(
    service: Serving, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "_FOLLOW_S", (0.2,))
    own = await listen(await session(service), "?task=main/r1")
    await looking(own)
    await hear(service, "r1")
    assert await own.next() == await own.next()


async def test_lists_are_told_again_later_since_deliveries_follow(
    service: Serving, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "_FOLLOW_S", (0.2,))
    every = await listen(await session(service))
    await looking(every)
    await hear(service, "r1")
    told = [await every.next()]
    while told[-1] != ("changed", '{"tasks":["main/r1"]}'):
        told.append(await every.next())
    assert await every.next() == ("changed", '{"tasks":null}')


async def test_live_parts_are_made_once_for_visitors_that_see_the_same(
    service: Serving, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_RENDER_S", 0.2)
    visitors = [await session(service, role) for role in ("viewer", "viewer+numbers")]
    queries = "?part=overview"
    streams = [await listen(visitor, queries) for visitor in (*visitors, visitors[0])]
    await looking(streams[2])
    await hear(service, "r1")
    events = [await stream.next() for stream in streams]
    assert {name for name, _ in events} == {"parts"}
    assert all('data-part="figures"' in html and 'data-part="outcomes"' in html for _, html in events)
    assert events[0] == events[2]


async def test_a_stream_ends_with_its_session(
    service: Serving, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_SESSION_S", 0.0)
    stream = await listen(await session(service))
    await looking(stream)
    await hear(service, "r1")
    assert (await stream.next())[0] == "changed"
    await service.receiver.store.write(partial(end_sessions_of, user="viewer"))
    await hear(service, "r2")
    assert await stream.next() == ("ended", "")
    assert await stream.is_over()


async def test_a_stop_ends_streams_at_once(service: Serving, listen: Listen) -> None:
    visitor = await session(service)
    streams = [await listen(visitor, query) for query in ("", "?part=overview")]
    await looking(streams[1])
    began = asyncio.get_running_loop().time()
    service.service.stop()
    assert [await stream.is_over() for stream in streams] == [True, True]
    assert asyncio.get_running_loop().time() - began < 2


async def test_streams_are_for_visitors_who_may_read_and_limited(
    service: Serving, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_MAX_STREAMS", 1)
    visitor = await session(service)
    assert (await listen(None)).status == 401
    assert (await listen(visitor, "?part=nowhere")).status == 404
    first = await listen(visitor)
    assert first.status == 200
    await looking(first)
    assert (await listen(visitor)).status == 503


async def test_too_many_tasks_are_not_named(
    service: Serving, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "_MAX_TASKS", 1)
    stream = await listen(await session(service))
    await looking(stream)
    outcomes = [
        (Outcome(f"evt_{n}", "main", f"r{n}", "task.started", 0, 0.0, data(n)), 0.0) for n in range(2)
    ]
    await service.receiver.store.write(lambda connection: add_outcomes(connection, outcomes))
    assert await stream.next() == ("changed", '{"tasks":null}')


def data(number: int) -> dict[str, Any]:
    """What is needed of an event."""
    return {"account": "main", "queue_id": None, "result": "unknown", "ref": f"r{number}"}


async def test_a_page_is_fetched_again_soon_since_it_may_have_missed_a_change(
    listen: Listen, service: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "_FOLLOW_S", (0.1,))
    visitor = await session(service)
    streams = [await listen(visitor, query) for query in ("", "?task=main/r1")]
    assert [(await stream.next())[0] for stream in streams] == ["changed"] * 2
