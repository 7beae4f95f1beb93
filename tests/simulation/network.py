"""The network between the two sides: it takes its time, and leads nowhere while nobody listens."""

import asyncio
from collections.abc import Callable
from random import Random

import httpx2

from receiver.runtime.clock import Clock


class Wire(httpx2.AsyncBaseTransport):
    """Carries requests further by the transport that `there` names now; None refuses the connection.

    A server goes on with a request although its caller has left, as servers do.
    """

    def __init__(
        self, there: Callable[[], httpx2.AsyncBaseTransport | None], clock: Clock, rng: Random
    ) -> None:
        self._there = there
        self._clock = clock
        self._rng = rng
        self._serving: set[asyncio.Task[httpx2.Response]] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await self._travel()
        far = self._there()
        if far is None:
            raise httpx2.ConnectError("connection refused")
        response = await asyncio.shield(self._serve(far, request))
        await self._travel()
        if self._there() is not far:
            raise httpx2.ReadError("connection reset")
        return response

    def _serve(
        self, far: httpx2.AsyncBaseTransport, request: httpx2.Request
    ) -> asyncio.Task[httpx2.Response]:
        serving = asyncio.create_task(far.handle_async_request(request))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        return serving

    async def _travel(self) -> None:
        await self._clock.sleep(self._rng.uniform(0.005, 0.25))
