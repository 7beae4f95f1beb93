"""The network between the two sides: it takes its time, and leads nowhere while nobody listens."""

from collections.abc import Callable
from random import Random

import httpx2
from starlette.types import ASGIApp

from receiver.clock import Clock


class Wire(httpx2.AsyncBaseTransport):
    """Carries requests to whatever application `there` names now; None refuses the connection."""

    def __init__(self, there: Callable[[], ASGIApp | None], clock: Clock, rng: Random) -> None:
        self._there = there
        self._clock = clock
        self._rng = rng

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await self._travel()
        app = self._there()
        if app is None:
            raise httpx2.ConnectError("connection refused")
        response = await httpx2.ASGITransport(app).handle_async_request(request)
        await self._travel()
        if self._there() is not app:
            raise httpx2.ReadError("connection reset")
        return response

    async def _travel(self) -> None:
        await self._clock.sleep(self._rng.uniform(0.005, 0.25))
