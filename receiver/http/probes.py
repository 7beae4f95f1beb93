"""Health checks and metrics of the API listener."""

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from receiver.errors import StoreUnavailableError

_READY_TIMEOUT_S = 20.0


def probe_routes(probe: Callable[[], Awaitable[None]], registry: CollectorRegistry) -> list[BaseRoute]:
    """Return `/`, `/healthz`, `/readyz` and `/metrics`. `probe`: commits as a hook does, or raises
    StoreUnavailableError.
    """

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        # A probe waits for its commit as long as a hook does: so it is 503 exactly while hooks are.
        try:
            await asyncio.wait_for(probe(), _READY_TIMEOUT_S)
        except (TimeoutError, StoreUnavailableError) as error:
            problem = str(error) or "the store does not commit in time"
            return JSONResponse({"status": "not ready", "problem": problem}, 503, {"Retry-After": "5"})
        return JSONResponse({"status": "ready"})

    async def metrics(request: Request) -> Response:
        encode, media = choose_encoder(request.headers.get("accept", ""))
        text = await run_in_threadpool(encode, registry)
        return Response(text, headers={"Content-Type": media})

    async def root(_request: Request) -> Response:
        return RedirectResponse("/docs")

    return [
        Route("/", root),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
    ]
