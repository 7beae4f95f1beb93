"""An emulator in virtual time, a client of its API and an endpoint that records its hooks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import httpx2
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from receiver.emulator.config import AccountConfig, EmulatorConfig
from receiver.emulator.emulator import Emulator, create_emulator
from tests.emulator.virtual import VirtualClock

API = "/api/ver1.0"
ACCOUNT = AccountConfig("10001", "application", "secret")
SURE = EmulatorConfig(accounts=(ACCOUNT,), answer_rate=1.0)
HOPELESS = EmulatorConfig(accounts=(ACCOUNT,), answer_rate=0.0)
EVENTS = ("before", "before_again", "success", "after")


@dataclass(frozen=True)
class Received:
    """One hook request as it came in."""

    at: float
    method: str
    path: str
    query: bytes
    content_type: str
    body: bytes
    copy_id: str

    @property
    def event(self) -> str:
        return unquote(self.path).rsplit("/", 1)[1]

    @property
    def hook_id(self) -> str:
        return self.copy_id.rsplit(".", 1)[0]


@dataclass
class Recorder:
    """A hook endpoint. `answer` gives the status, and may take its time."""

    clock: VirtualClock
    received: list[Received] = field(default_factory=list)
    answer: Callable[[Received], Awaitable[int]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        hook = Received(
            at=self.clock.now(),
            method=request.method,
            path=request.url.path,
            query=scope["query_string"],
            content_type=request.headers.get("content-type", ""),
            body=await request.body(),
            copy_id=request.headers["x-emulator-hook"],
        )
        self.received.append(hook)
        status = await self.answer(hook) if self.answer else 200
        await Response(status_code=status)(scope, receive, send)


@dataclass
class EmulatorEnv:
    emulator: Emulator
    clock: VirtualClock
    recorder: Recorder
    client: httpx2.AsyncClient

    async def api(self, method: str, path: str, json: Any = None, **options: Any) -> httpx2.Response:
        """One call of the account's API; the path goes on after the account."""
        return await self.client.request(method, f"{API}/client/10001{path}", json=json, **options)

    async def queue(self, **fields: Any) -> int:
        """The id of a new queue that is on."""
        wish = {"name": "queue", "status": "on", "concurrent_task_limit": 100} | fields
        response = await self.api("POST", "/task_scheduler/", wish)
        assert response.status_code == 201, response.text
        queue_id: int = response.json()["id"]
        return queue_id

    async def tasks(self, queue: int, *wishes: dict[str, Any]) -> list[dict[str, Any]]:
        response = await self.api("POST", f"/task_scheduler/{queue}/task/", {"tasks": list(wishes)})
        assert response.status_code == 201, response.text
        answers: list[dict[str, Any]] = response.json()
        return answers

    async def task(self, queue: int, task: int) -> dict[str, Any]:
        response = await self.api("GET", f"/task_scheduler/{queue}/task/{task}")
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def idle(self) -> None:
        """Wait until nothing is left to happen: at most thirty emulated days."""
        for _ in range(30 * 24 * 60):
            if self.emulator.status()["idle"]:
                return
            await self.clock.sleep(60)
        raise AssertionError(f"never idle: {self.emulator.status()}")


def wish(name: str = "task", **fields: Any) -> dict[str, Any]:
    """A task to add, with all four hooks."""
    urls = {f"url_{event}": f"http://hooks.test/{name}/{event}" for event in EVENTS}
    return {"name": name, "a_number": "101", "b_number": "79990000001"} | urls | fields


async def authorize(client: httpx2.AsyncClient, account: AccountConfig = ACCOUNT) -> None:
    """Get a token and use it from now on."""
    response = await client.post("/oauth/token", data=credentials(account))
    assert response.status_code == 200, response.text
    client.headers["Authorization"] = f"Bearer {response.json()['access_token']}"


def credentials(account: AccountConfig = ACCOUNT) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": account.client_id,
        "client_secret": account.client_secret,
    }


@asynccontextmanager
async def running(config: EmulatorConfig = SURE, *, authorized: bool = True) -> AsyncIterator[EmulatorEnv]:
    """A env whose emulator runs; for use within `virtual.run`."""
    clock, stop = VirtualClock(), asyncio.Event()
    recorder = Recorder(clock)
    emulator = create_emulator(config, clock=clock, hook_transport=httpx2.ASGITransport(recorder))
    transport = httpx2.ASGITransport(emulator.app)
    async with (
        httpx2.AsyncClient(transport=transport, base_url="http://scheduler.test") as client,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(emulator.run(stop))
        if authorized:
            await authorize(client)
        yield EmulatorEnv(emulator, clock, recorder, client)
        stop.set()
