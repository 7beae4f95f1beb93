"""A subscriber on a socket: keeps what it is sent, verifies it as a CRM would, answers as it is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvicorn
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.server import listen

Answering = Callable[["Received"], Awaitable[Response]]


@dataclass(frozen=True)
class Received:
    """One request, as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = orjson.loads(self.body)
        return event

    def verify(self, secret: str) -> None:
        """Raises WebhookVerificationError."""
        Webhook(secret).verify(self.body, self.headers)


async def ok(_received: Received) -> Response:
    return Response(status_code=204)


@dataclass
class Subscriber:
    """`answering` may be replaced at any time."""

    url: str
    received: list[Received] = field(default_factory=list)
    answering: Answering = ok
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: Request) -> Response:
        received = Received(dict(request.headers), await request.body())
        self.received.append(received)
        self.arrived.set()
        return await self.answering(received)

    async def until(self, number: int, seconds: float = 10.0) -> list[Received]:
        """Wait until so many requests have come."""
        async with asyncio.timeout(seconds):
            while len(self.received) < number:
                self.arrived.clear()
                await self.arrived.wait()
        return self.received


def always(status: int, **headers: str) -> Answering:
    """Answer so, whatever comes."""

    async def answer(_received: Received) -> Response:
        return Response(
            "as told", status_code=status, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    return answer


@asynccontextmanager
async def subscriber() -> AsyncIterator[Subscriber]:
    """One that listens on a free port."""
    sock = listen("127.0.0.1", 0)
    it = Subscriber(f"http://127.0.0.1:{sock.getsockname()[1]}/hook")
    app = Starlette(routes=[Route("/{path:path}", it.take, methods=["POST", "GET", "PUT", "PATCH"])])
    config = uvicorn.Config(
        app, log_config=None, lifespan="off", access_log=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server._serve([sock]))
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield it
    finally:
        server.should_exit = True
        await serving
