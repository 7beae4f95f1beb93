"""An emulator in real time behind a socket, and an endpoint of its hooks that keeps each request's bytes."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import uvicorn

from receiver.emulator.clock import WallClock
from receiver.emulator.config import EmulatorConfig
from receiver.emulator.emulator import Emulator, create_emulator
from tests.emulator import emulator_env
from tests.emulator.emulator_env import API, EVENTS, authorize

SPEED = 3000.0
TOKEN_TTL_S = 1_000_000
SURE, HOPELESS = (
    replace(config, token_ttl=TOKEN_TTL_S) for config in (emulator_env.SURE, emulator_env.HOPELESS)
)
PATIENCE_S = 30.0


@dataclass(frozen=True)
class RawHook:
    """One request, byte by byte. `target`: what stands between the method and the version."""

    method: str
    target: bytes
    headers: dict[str, str]
    body: bytes

    @property
    def query(self) -> bytes:
        return self.target.partition(b"?")[2]

    @property
    def copies(self) -> list[str]:
        """The ids of the copies of hooks that it carries."""
        return self.headers["x-emulator-hook"].split(",")


@dataclass
class Endpoint:
    """Answers 200 to whatever comes, and keeps it."""

    hooks: list[RawHook] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await _head(reader):
                line, *rest = head.split(b"\r\n")
                headers = dict(_header(each) for each in rest if each)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, _, behind = line.partition(b" ")
                target = behind.removesuffix(b" HTTP/1.1")
                self.hooks.append(RawHook(method.decode(), target, headers, body))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    return name.lower(), value.strip()


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Endpoint, str]]:
    """An endpoint and its URL."""
    endpoint = Endpoint()
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield endpoint, f"http://{host}:{port}"
    finally:
        server.close()


@dataclass
class Site:
    """A running emulator, and a client that has a token."""

    emulator: Emulator
    client: httpx2.AsyncClient

    async def api(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """One call of the account's API; the path goes on after the account."""
        return await self.client.request(method, f"{API}/client/10001{path}", **options)

    async def tasks(
        self, *wishes: dict[str, Any], limit: int = 100, status: str = "on"
    ) -> list[dict[str, Any]]:
        """Add tasks to a new queue; as the API answers them."""
        queue = {"name": "queue", "status": status, "concurrent_task_limit": limit}
        created = await self.api("POST", "/task_scheduler/", json=queue)
        path = f"/task_scheduler/{created.json()['id']}/task/"
        response = await self.api("POST", path, json={"tasks": wishes})
        assert response.status_code == 201, response.text
        answers: list[dict[str, Any]] = response.json()
        return answers

    async def listed(self, queue: int, **params: int) -> list[Any]:
        response = await self.api("GET", f"/task_scheduler/{queue}/task/", params=params)
        assert response.status_code == 200, response.text
        records: list[Any] = response.json()
        return records

    async def read(self, task: dict[str, Any]) -> dict[str, Any]:
        response = await self.api("GET", f"/task_scheduler/{task['scheduler_id']}/task/{task['id']}")
        assert response.status_code == 200, response.text
        record: dict[str, Any] = response.json()
        return record

    async def idle(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not self.emulator.status()["idle"]:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(config: EmulatorConfig = SURE, *, authorized: bool = True) -> AsyncIterator[Site]:
    """An emulator whose API is behind a socket."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = replace(config, speed=SPEED)
    emulator = create_emulator(config, clock=WallClock(SPEED))
    server = uvicorn.Server(uvicorn.Config(emulator.app, lifespan="off", log_level="error"))
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(emulator.run(stop))
        group.create_task(server._serve([listener]))
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
            try:
                if authorized:
                    await authorize(client)
                yield Site(emulator, client)
            finally:
                server.should_exit = True
                stop.set()
    listener.close()


def urls(base: str, events: Sequence[str] = EVENTS) -> dict[str, str]:
    """The URLs of a task's hooks below a URL."""
    return {f"url_{event}": f"{base}/{event}" for event in events}
