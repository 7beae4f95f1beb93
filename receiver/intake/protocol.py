"""Hooks as they nearly always come, answered right in uvicorn's parser.

An ASGI cycle makes a task, an event, a scope and two messages for each request: for a hook that costs as much
as reading and storing it. So a small request that is whole in itself goes from the parser to the ledger and
back; whatever is out of the common (a large or chunked body, a pipelined request, an old protocol, another
path) takes uvicorn's own way, to `HookEndpoint` or to the pages.
"""

import asyncio
from functools import partial
from typing import ClassVar
from urllib.parse import unquote

import structlog
from uvicorn._types import HTTPScope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from receiver.errors import StoreError
from receiver.intake.answer import GONE_AWAY, INTERNAL_ERROR, Answer
from receiver.intake.request import METHODS, Asked, HookRequest, Intake

_log = structlog.get_logger("receiver.intake")

_METHODS = frozenset(method.encode() for method in METHODS)
_SMALL = 65_536
"""Bytes of a body that uvicorn's parser hands over without a pause."""


class _Exchange(RequestResponseCycle):
    """A hook request under way, with what uvicorn looks at in a cycle of its own."""

    _nobody_waits: ClassVar = asyncio.Event()

    def __init__(self, request: HookRequest, scope: HTTPScope, keep_alive: bool) -> None:
        self.request = request
        self.scope = scope
        self.keep_alive = keep_alive
        self.body = bytearray()
        self.more_body = True
        self.disconnected = self.response_complete = False
        self.message_event = self._nobody_waits


class HookProtocol(HttpToolsProtocol):
    """One connection. A server makes a subclass of its own that names its `intake`."""

    intake: ClassVar[Intake]
    _common_headers: ClassVar[list[tuple[bytes, bytes]]] = []
    _common_tail: ClassVar = b"\r\n\r\n"

    def on_headers_complete(self) -> None:
        request = self._begin() if self._is_common() else None
        if request is None:
            super().on_headers_complete()
        else:
            self.cycle = _Exchange(request, self.scope, self.parser.should_keep_alive())

    def _begin(self) -> HookRequest | None:
        """None where that fails: on uvicorn's own way it fails again, which is told of and answered there."""
        path, _, query = self.url.partition(b"?")
        text = path.decode("latin-1")
        asked = Asked(
            self.parser.get_method().decode("ascii"),
            unquote(text) if "%" in text else text,
            query,
            tuple(self.headers),
            self.client[0] if self.client else None,
        )
        try:
            return HookRequest(self.intake, asked)
        except Exception:
            return None

    def on_message_complete(self) -> None:
        exchange = self.cycle
        if not isinstance(exchange, _Exchange):
            super().on_message_complete()
            return
        exchange.more_body = False
        if exchange.request.refusal:
            self._reply(exchange, exchange.request.refusal)
            return
        try:
            kept = exchange.request.keep(bytes(exchange.body))
        except Exception as error:
            self._reply(exchange, _answer(exchange, error))
        else:
            kept.add_done_callback(partial(self._on_kept, exchange))

    def connection_lost(self, exc: Exception | None) -> None:
        exchange = self.cycle
        if isinstance(exchange, _Exchange) and exchange.more_body:
            exchange.request.end(GONE_AWAY)
        super().connection_lost(exc)

    def _is_common(self) -> bool:
        """Whether the request is a small hook, whole in itself, on a connection with nothing else to do."""
        if not self.url.startswith(b"/hooks/") or b"#" in self.url:
            return False
        headers = dict(self.headers)
        return (
            (self.cycle is None or self.cycle.response_complete)
            and self.parser.get_method() in _METHODS
            and self.parser.get_http_version() == "1.1"
            and not self.parser.should_upgrade()
            and not self.expect_100_continue
            and b"transfer-encoding" not in headers
            and int(headers.get(b"content-length", b"0")) <= _SMALL
        )

    def _on_kept(self, exchange: _Exchange, kept: asyncio.Future[None]) -> None:
        self._reply(exchange, _answer(exchange, kept.exception()))

    def _reply(self, exchange: _Exchange, answer: Answer) -> None:
        exchange.response_complete = True
        if not self.transport.is_closing():
            request_id = exchange.request.id.encode()
            tail = self._tail() if exchange.keep_alive else b"\r\nconnection: close" + self._tail()
            self.transport.write(b"".join((answer.head, request_id, tail, answer.body)))
            if not exchange.keep_alive:
                self.transport.close()
        exchange.request.end(answer)
        self.on_response_complete()

    def _tail(self) -> bytes:
        """The end of the last header, and those that the server adds to each answer: made anew by uvicorn
        once a second, with the time.
        """
        ours, headers = HookProtocol, self.server_state.default_headers
        if ours._common_headers is not headers:
            lines = (b"\r\n" + name + b": " + value for name, value in headers)
            ours._common_headers, ours._common_tail = headers, b"".join(lines) + b"\r\n\r\n"
        return ours._common_tail


def _answer(exchange: _Exchange, error: BaseException | None) -> Answer:
    """The answer to a request that is on disk, or that is not because of that error."""
    if error is None or isinstance(error, StoreError):
        return exchange.request.answer(error)
    _log.error("hook not recorded", **exchange.request.said(), exc_info=error)
    return INTERNAL_ERROR
