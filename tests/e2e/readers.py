"""Readers of the feed: by cursor or as a stream, quick, slow, or none at all, with connections that break."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

import httpx2
import orjson

_LONGEST_VISIT = 400
"""A connection breaks after so many events, or fewer."""

_PAUSE_S = 0.05
"""Between two looks by cursor."""

_SMALL_BUFFER = ((socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536),)


@dataclass
class Reader:
    """`ids`: of the events, as they came; `at`: monotonic seconds when the last of them came."""

    name: str
    urls: Sequence[str]
    token: str
    rng: Random
    ids: list[str] = field(default_factory=list)
    at: float = 0.0
    visits: int = 0

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def take(self, event: dict[str, Any]) -> None:
        self.ids.append(event["id"])
        self.at = time.monotonic()

    def visit(self) -> str:
        """The receiver that is asked next."""
        self.visits += 1
        return self.rng.choice(self.urls)


class Reading(Protocol):
    """A reader at work; `run` is cancelled at the end."""

    reader: Reader

    async def run(self) -> None: ...


@dataclass
class ByCursor:
    """Asks for pages of all sizes, any of the receivers."""

    reader: Reader

    async def run(self) -> None:
        cursor, reader = 0, self.reader
        async with httpx2.AsyncClient(headers=reader.headers, timeout=20) as http:
            while True:
                query = {"after": cursor, "limit": reader.rng.randint(1, 300)}
                page = (await http.get(f"{reader.visit()}/v1/outcomes", params=query)).raise_for_status()
                said = page.json()
                for event in said["outcomes"]:
                    reader.take(event)
                cursor = said["cursor"]
                if not said["more"]:
                    await asyncio.sleep(_PAUSE_S)


@dataclass
class ByStream:
    """Follows the stream until it breaks, then goes on at any of the receivers.

    `slowness_s`: the longest pause after an event.
    """

    reader: Reader
    slowness_s: float = 0.0

    async def run(self) -> None:
        last, reader = 0, self.reader
        async with _client(reader, is_slow=self.slowness_s > 0) as http:
            while True:
                left = reader.rng.randint(1, _LONGEST_VISIT)
                async with _opened(http, reader.visit(), last) as answer:
                    async for seq, event in _events(answer):
                        reader.take(event)
                        last = seq
                        left -= 1
                        if not left:
                            break
                        if self.slowness_s:
                            await asyncio.sleep(reader.rng.random() * self.slowness_s)


@asynccontextmanager
async def unread_streams(reader: Reader, number: int) -> AsyncIterator[None]:
    """So many streams of all there is, at each receiver, of which nothing is read."""
    async with _client(reader, is_slow=True) as http, AsyncExitStack() as stack:
        for url in reader.urls:
            for _ in range(number):
                await stack.enter_async_context(_opened(http, url, 0))
        yield


@asynccontextmanager
async def idle_stream(reader: Reader, url: str, last: int) -> AsyncIterator[httpx2.Response]:
    """A stream that has told all there is."""
    async with _client(reader) as http, _opened(http, url, last) as answer:
        yield answer


async def end_of(answer: httpx2.Response) -> float:
    """When the stream ended, in monotonic seconds."""
    with suppress(httpx2.TransportError):
        async for _ in answer.aiter_raw():
            pass
    return time.monotonic()


def _client(reader: Reader, *, is_slow: bool = False) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=None)
    options = _SMALL_BUFFER if is_slow else None
    transport = httpx2.AsyncHTTPTransport(limits=limits, socket_options=options)
    return httpx2.AsyncClient(headers=reader.headers, timeout=30, transport=transport)


@asynccontextmanager
async def _opened(http: httpx2.AsyncClient, url: str, last: int) -> AsyncIterator[httpx2.Response]:
    headers = {"Last-Event-ID": str(last)}
    async with http.stream("GET", f"{url}/v1/outcomes/stream", headers=headers) as answer:
        yield answer.raise_for_status()


async def _events(answer: httpx2.Response) -> AsyncIterator[tuple[int, dict[str, Any]]]:
    """The events of a stream: (id, what it says)."""
    said: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            said[name] = value
        elif "data" in said:
            yield int(said["id"]), orjson.loads(said["data"])
            said = {}
