"""A way for hooks that leads to several receivers: each hook to one of them at random, some to all at once,
and again to the next one what got no 2xx, as a sender does whose hooks matter.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import httpx2
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_TRIES = 20
_CONNECTIONS = 12
_BETWEEN_S = 0.05
_HEADERS = ("content-type", "user-agent", "x-emulator-hook")
_TIMEOUT_S = 8.0
_HELD_S = 0.02
"""So long a hook may be held up here: its followers overtake it, and those of a task meet."""


@dataclass
class Sender:
    """`urls`: the receivers, by name. `doubled`: the share of hooks that are sent to all of them at the same
    time. `acknowledged`: the request id of each 2xx, with the receiver that gave it.
    """

    urls: Mapping[str, str]
    rng: Random
    doubled: float = 0.2
    acknowledged: list[tuple[str, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """hooks, doubled, repeated, refused (an answer, but no 2xx), unanswered, given up."""

    slowest_s: float = 0.0
    """The longest wait for an answer."""

    def __post_init__(self) -> None:
        self._taken = asyncio.Event()
        self._repeatable: list[tuple[Request, bytes]] = []

    async def has_delivered(self, count: int) -> None:
        """Returns once there are so many 2xx."""
        while len(self.acknowledged) < count:
            self._taken.clear()
            await self._taken.wait()

    @asynccontextmanager
    async def serving(self, port: int) -> AsyncIterator[None]:
        """Takes hooks at this port."""
        config = uvicorn.Config(
            self._app, port=port, interface="asgi3", lifespan="off", log_level="error", ws="none"
        )
        server = uvicorn.Server(config)
        async with httpx2.AsyncClient(
            timeout=_TIMEOUT_S, limits=httpx2.Limits(max_connections=200)
        ) as self._http:
            running = asyncio.create_task(server._serve())
            try:
                yield
            finally:
                server.should_exit = True
                await running

    async def repeat(self, seconds: float) -> None:
        """Send hooks of before once more, to anybody, from many connections and as fast as it goes."""
        until = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(*(self._repeat(until) for _ in range(_CONNECTIONS)))

    async def _repeat(self, until: float) -> None:
        while asyncio.get_running_loop().time() < until:
            self.counts["repeated"] += 1
            if not await self._send(self.rng.choice(sorted(self.urls)), *self.rng.choice(self._repeatable)):
                await asyncio.sleep(_BETWEEN_S)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        self.counts["hooks"] += 1
        if "/before_again/" not in request.url.path:  # one that is late and says nothing is another attempt
            self._repeatable.append((request, body))
        await asyncio.sleep(self.rng.random() * _HELD_S)
        taken = await self._see_through(request, body)
        self.counts["given up"] += not taken
        await Response(status_code=200 if taken else 503)(scope, receive, send)

    async def _see_through(self, request: Request, body: bytes) -> bool:
        """Send it until somebody has taken it, at last to each in turn."""
        order = self.rng.sample(sorted(self.urls), len(self.urls))
        if self.rng.random() < self.doubled:
            self.counts["doubled"] += 1
            if any(await asyncio.gather(*(self._send(name, request, body) for name in order))):
                return True
        for _ in range(_TRIES):
            for name in order:
                if await self._send(name, request, body):
                    return True
            await asyncio.sleep(_BETWEEN_S)
        return False

    async def _send(self, name: str, request: Request, body: bytes) -> bool:
        """Whether the receiver there has taken it."""
        path, query = request.scope["raw_path"].decode(), request.scope["query_string"].decode()
        target = f"{self.urls[name]}{path}?{query}".removesuffix("?")
        headers = {name: request.headers[name] for name in _HEADERS if name in request.headers}
        began = time.monotonic()
        try:
            answer = await self._http.request(request.method, target, content=body, headers=headers)
        except httpx2.TransportError:
            self.counts["unanswered"] += 1
            return False
        finally:
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        if answer.is_success:
            self.acknowledged.append((answer.headers["x-request-id"], name))
            self._taken.set()
        else:
            self.counts["refused"] += 1
        return answer.is_success
