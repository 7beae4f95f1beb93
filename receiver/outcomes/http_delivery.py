"""One attempt to deliver a message over HTTP."""

import asyncio
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from typing import Any

import httpx2
import structlog

from receiver.domain.network_errors import network_problem
from receiver.errors import StoreUnavailableError
from receiver.observability.spans import current_task, delivery_header, message_task
from receiver.observability.traces import Traces
from receiver.outcomes import claim_sql
from receiver.outcomes.claim_sql import ClaimedMessage
from receiver.outcomes.formats import CPU_BOUND, FORMATS
from receiver.outcomes.guard import ForbiddenAddressError
from receiver.outcomes.outbound import (
    AttemptResult,
    FormatError,
    HttpRequest,
    HttpResponse,
    OutboundEvent,
    UnsendableError,
    advance,
    judge,
)
from receiver.outcomes.proxy import ProxyFailedError
from receiver.outcomes.subscription import Subscription
from receiver.runtime.clock import Clock
from receiver.storage.engine import Store

_log = structlog.get_logger("receiver.delivery")

_HEADERS = {"user-agent": f"receiver/{version('receiver')}", "accept-encoding": "identity"}

_CLAIM_S = 40.0
"""Seconds of a claim beyond the time-out: the message may wait for an attempt that takes its whole time."""

_MAX_READ = 65_536
"""Bytes of a response that are read, so that the connection can be used again."""


def open_client(transport: httpx2.AsyncBaseTransport) -> httpx2.AsyncClient:
    """Return a client for requests to subscribers. Its time-out is that of the whole attempt."""
    return httpx2.AsyncClient(transport=transport, timeout=None, trust_env=False, headers=_HEADERS)


def claim_s(subscription: Subscription) -> float:
    """Return the seconds of a claim."""
    return _CLAIM_S + subscription.timeout_s


class HttpDelivery:
    """Makes attempts over one HTTP client."""

    def __init__(
        self, client: httpx2.AsyncClient, clock: Clock, store: Store, traces: Traces | None = None
    ) -> None:
        self._client = client
        self._clock = clock
        self._store = store
        self._traces = traces

    async def attempt(self, message: ClaimedMessage, subscription: Subscription, at: float) -> AttemptResult:
        """Make an attempt that begins at this time. Every error is a failed attempt; none is raised."""
        # The API did not confirm a held message in time, so its result was not checked before.
        if message.state == "held" and not subscription.filter.matches_result(message.type, message.data):
            return AttemptResult("dropped")
        with current_task(message_task(message)):
            try:
                async with asyncio.timeout(self._clock.real(subscription.timeout_s)):
                    response = await self._exchange(message, subscription, at)
            except Exception as error:
                return _failure(message, subscription, error)
        return judge(response, self._clock.now()) if response else AttemptResult("dropped")

    async def _exchange(
        self, message: ClaimedMessage, subscription: Subscription, at: float
    ) -> HttpResponse | None:
        """Send the requests that the format makes of the message, and return its last response."""
        headers = self._trace(message, at)
        exchange, response = FORMATS[subscription.format](_event(message, subscription, at)), None
        while True:
            if subscription.format in CPU_BOUND:
                step = await asyncio.to_thread(advance, exchange, response)
            else:
                step = advance(exchange, response)
            if not isinstance(step, HttpRequest):
                return step
            if step.progress is not None and step.progress != message.progress:
                await self._save_progress(message, step.progress)
            response = await self._send(step, headers, subscription)

    async def first_request(
        self, message: ClaimedMessage, subscription: Subscription, at: float
    ) -> httpx2.Request | None:
        """Build the first request for a message; None if its format sends none. Raises FormatError."""
        exchange = FORMATS[subscription.format](_event(message, subscription, at))
        step = await asyncio.to_thread(advance, exchange, None)
        if not isinstance(step, HttpRequest):
            return None
        return self._build(step, self._trace(message, at), subscription)

    def _trace(self, message: ClaimedMessage, at: float) -> dict[str, str]:
        is_sampled = self._traces is not None and self._traces.includes(message_task(message))
        return {"traceparent": delivery_header(message, at, is_sampled)}

    async def _save_progress(self, message: ClaimedMessage, progress: Mapping[str, Any]) -> None:
        """Save what a later attempt must know of the request that is sent next."""
        if not await self._store.write(partial(claim_sql.save_progress, message=message, progress=progress)):
            raise StoreUnavailableError("another sender has claimed the message")

    def _build(
        self, request: HttpRequest, trace: Mapping[str, str], subscription: Subscription
    ) -> httpx2.Request:
        headers = httpx2.Headers({**trace, **request.headers})
        headers.update({name: value for name, value in subscription.headers.items() if value is not None})
        return self._client.build_request(request.method, request.url, content=request.body, headers=headers)

    async def _send(
        self, request: HttpRequest, trace: Mapping[str, str], subscription: Subscription
    ) -> HttpResponse:
        built = self._build(request, trace, subscription)
        response = await self._client.send(built, stream=True)
        try:
            body = bytearray()
            # Not decompressed: a small response may become a very large one.
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _MAX_READ:
                    break
        finally:
            await response.aclose()
        text = body[:_MAX_READ].decode(errors="replace").replace("\0", "\ufffd")
        return HttpResponse(response.status_code, text, response.headers.get("retry-after"))


def _event(message: ClaimedMessage, subscription: Subscription, at: float) -> OutboundEvent:
    return OutboundEvent(
        message.id,
        message.type,
        message.at,
        message.data,
        subscription,
        at,
        message.replay > 0,
        message.progress,
    )


def _failure(message: ClaimedMessage, subscription: Subscription, error: Exception) -> AttemptResult:
    format_ = subscription.format
    match error:
        case TimeoutError():
            return AttemptResult("failed", f"no answer within {subscription.timeout_s:g} s")
        case httpx2.HTTPError():
            return AttemptResult("failed", _problem(error, subscription.url))
        case UnsendableError():
            return AttemptResult("unsendable", f"format {format_}: {error}")
        case FormatError():
            return AttemptResult("failed", f"format {format_}: {error}")
        case StoreUnavailableError():
            return AttemptResult("failed", f"the progress of the format could not be saved: {error}")
    # A fault of our own: the message is tried again, and no other message is delayed.
    _log.error("a message could not be built", message=message.id, format=format_, exc_info=error)
    return AttemptResult("failed", f"the message could not be built: {type(error).__name__}")


def _problem(error: httpx2.HTTPError, url: str) -> str:
    """Return a text with the host, without the rest of the URL, which may hold a secret of the subscriber."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ForbiddenAddressError | ProxyFailedError):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    return f"no answer from {network_problem(error, url)}"
