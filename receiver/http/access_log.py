"""Each request has an id, in its answer and in the log lines about it; one line is logged for each."""

import re
import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = structlog.get_logger("receiver.requests")

_USABLE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_QUIET = ("/healthz", "/readyz", "/metrics")
"""Asked all the time by machines: logged at debug only."""

_STREAMS = ("/v1/outcomes/stream", "/v1/export/")
"""Answers that take as long as their reader."""


def request_id(scope: Scope) -> str:
    """The caller's `X-Request-Id` where it can be used, else a new one."""
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _USABLE.fullmatch(given) else uuid.uuid4().hex


class RequestLog:
    """Middleware around the API; hooks are counted and not logged one by one. `under_way`: requests that are
    not answered yet, without those whose answers are streams.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name, began, status = request_id(scope), time.perf_counter(), 500
        counted = not scope["path"].startswith(_STREAMS)
        self.under_way += counted

        async def answering(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = name
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=name):
            try:
                await self._app(scope, receive, answering)
            finally:
                self.under_way -= counted
                log = _log.debug if scope["path"] in _QUIET else _log.info
                took = round((time.perf_counter() - began) * 1000, 1)
                log("request", method=scope["method"], path=scope["path"], status=status, ms=took)
