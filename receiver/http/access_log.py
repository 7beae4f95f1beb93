"""The access log of the API: a line for each request, with the id that its answer has, too."""

import re
import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = structlog.get_logger("receiver.requests")

_USABLE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_QUIET = ("/healthz", "/readyz", "/metrics")
"""Paths that machines poll: logged at debug level."""

_STREAMS = ("/v1/outcomes/stream", "/v1/export/", "/console/stream", "/console/export/")
"""Paths of answers that last as long as their readers read."""


class RequestLog:
    """Middleware around the API. `under_way`: requests that are not answered yet, without streams."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _USABLE.fullmatch(given) else uuid.uuid4().hex
        began, status = time.perf_counter(), 500
        counted = not scope["path"].startswith(_STREAMS)
        self.under_way += counted

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                self.under_way -= counted
                log = _log.debug if scope["path"] in _QUIET else _log.info
                took = round((time.perf_counter() - began) * 1000, 1)
                log("request", method=scope["method"], path=scope["path"], status=status, ms=took)
