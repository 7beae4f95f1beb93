"""The feed as server-sent events: each outcome as it is told, and all that was missed since `Last-Event-ID`.

A reader is read for: the next rows are read once it has taken the last ones, so a slow one holds a batch in
memory and nobody up.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from receiver.errors import ReceiverError, StoreUnavailableError
from receiver.http.dispatch import read_query, scopes_of
from receiver.http.endpoint import ApiContext
from receiver.http.problems import RETRY_AFTER_S, answer_to, problem
from receiver.http.schemas import read_seq
from receiver.outcomes import feed
from receiver.outcomes.params import OutcomeQuery

PATH = "/v1/outcomes/stream"

_BATCH = 100
_LOOK_S = 0.5
"""How often a reader that has all is looked for news for."""

_BEAT_S = 15.0
"""After so long a silence a comment is sent: proxies and readers want to know that somebody is there."""

_MOST = 200
"""Readers at once."""

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class OutcomeStream:
    """Answers `GET /v1/outcomes/stream`."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._readers = 0

    async def __call__(self, request: Request) -> Response:
        try:
            scopes = await scopes_of(self._context, request)
            if scopes is None or "read" not in scopes:
                return problem(401, "unauthorized", "send a token with the scope 'read'")
            asked = read_query(OutcomeQuery, request)
            after = await self._beginning(request, asked)
        except ReceiverError as error:
            return answer_to(error)
        if self._readers >= _MOST:
            headers = {"Retry-After": str(RETRY_AFTER_S)}
            return problem(503, "unavailable", f"{_MOST} streams are open already", headers=headers)
        events = self._events(asked, after, "numbers" in scopes)
        return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)

    async def _beginning(self, request: Request, asked: OutcomeQuery) -> int:
        """Behind what the reader has had, else where it asked to begin, else from now on."""
        last = read_seq(request.headers.get("last-event-id", ""))
        if last is not None:
            return last
        if "after" in request.query_params:
            return asked.after
        return await self._context.store.read(feed.last_seq)

    async def _events(self, asked: OutcomeQuery, after: int, numbers: bool) -> AsyncIterator[bytes]:
        self._readers += 1
        loop = asyncio.get_running_loop()
        spoken = loop.time()
        try:
            yield b"retry: 3000\n\n"
            while not self._context.closing.is_set():
                try:
                    look = partial(feed.rows_behind, asked=asked, after=after, most=_BATCH)
                    rows = await self._context.store.read(look)
                except StoreUnavailableError:
                    rows = []
                for row in rows:
                    after = row.seq
                    shown = feed.view(row, numbers).model_dump(mode="json")
                    yield b"id: %d\nevent: %s\ndata: %s\n\n" % (after, row.type.encode(), orjson.dumps(shown))
                    spoken = loop.time()
                if loop.time() - spoken > _BEAT_S:
                    yield b": still here\n\n"
                    spoken = loop.time()
                if len(rows) < _BATCH:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._context.closing.wait(), _LOOK_S)
        finally:
            self._readers -= 1
