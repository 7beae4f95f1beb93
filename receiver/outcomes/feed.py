"""The feed of outcomes in the order of their publication: page by page, and as server-sent events.

A stream reads its next batch only after the client has taken the last one, so that a slow client holds one
batch in memory and delays no other.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Select, func, select
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from receiver.domain.masking import mask_number, mask_text
from receiver.errors import ForbiddenError, InvalidTokenError, ReceiverError, StoreUnavailableError
from receiver.http.dispatch import caller_of, read_query
from receiver.http.endpoint import ApiContext, Call
from receiver.http.problems import RETRY_AFTER_S, answer_to, problem
from receiver.http.schemas import Json, read_seq
from receiver.outcomes.events import SCHEMA_VERSION
from receiver.outcomes.params import OutcomeQuery
from receiver.outcomes.resend_sql import TEST, is_operator
from receiver.outcomes.schemas import OutcomeEvent, OutcomeFeed
from receiver.outcomes.tables import OUTCOME

STREAM_PATH = "/v1/outcomes/stream"

_BATCH = 100
"""Events that a stream reads at once."""

_POLL_S = 0.5
"""Seconds between two looks for new events."""

_HEARTBEAT_S = 15.0
"""Seconds of silence after which a comment is sent, so that proxies do not close the connection."""

_MAX_STREAMS = 200

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def read_outcomes(call: Call[OutcomeQuery, None]) -> OutcomeFeed:
    """Return the outcomes after a cursor. A client that passes on each new cursor gets each event once."""

    def read(connection: Connection) -> OutcomeFeed:
        query = call.query
        if query.latest:
            return OutcomeFeed(outcomes=[], cursor=last_seq(connection), more=False)
        if query.newest:
            cursor, rows = last_seq(connection), read_newest(connection, query, query.newest)
            return OutcomeFeed(outcomes=[view(row, call.numbers) for row in rows], cursor=cursor, more=False)
        rows = read_feed(connection, query, query.after, query.limit + 1)
        page, more = rows[: query.limit], len(rows) > query.limit
        # A page that is not full has seen all events up to the last commit, whatever the filter.
        cursor = page[-1].seq if more else max(query.after, last_seq(connection))
        return OutcomeFeed(outcomes=[view(row, call.numbers) for row in page], cursor=cursor, more=more)

    return await call.context.store.read(read)


class OutcomeStream:
    """Serves `GET /v1/outcomes/stream`."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._open = 0

    async def __call__(self, request: Request) -> Response:
        try:
            caller = await caller_of(self._context, request)
            if caller is None:
                raise InvalidTokenError("send a token with the scope 'read'")
            if "read" not in caller.scopes:
                raise ForbiddenError("this needs a token with the scope 'read'")
            query, _ = await self._context.resolve(read_query(OutcomeQuery, request), {})
            after = await self._start(request, query)
        except ReceiverError as error:
            return answer_to(error)
        if self._open >= _MAX_STREAMS:
            headers = {"Retry-After": str(RETRY_AFTER_S)}
            return problem(503, "unavailable", f"{_MAX_STREAMS} streams are open already", headers=headers)
        events = self._events(query, after, "numbers" in caller.scopes)
        return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)

    async def _start(self, request: Request, query: OutcomeQuery) -> int:
        """Return the seq after `Last-Event-ID`, else after `after`, else after the newest event."""
        last = read_seq(request.headers.get("last-event-id", ""))
        if last is not None:
            return last
        if "after" in request.query_params:
            return query.after
        return await self._context.store.read(last_seq)

    async def _events(self, query: OutcomeQuery, after: int, numbers: bool) -> AsyncIterator[bytes]:
        self._open += 1
        loop = asyncio.get_running_loop()
        sent_at = loop.time()
        try:
            yield b"retry: 3000\n\n"
            while not self._context.closing.is_set():
                try:
                    batch = partial(read_feed, query=query, after=after, limit=_BATCH)
                    rows = await self._context.store.read(batch)
                except StoreUnavailableError:
                    rows = []
                for row in rows:
                    after = row.seq
                    event = orjson.dumps(view(row, numbers).model_dump(mode="json"))
                    yield b"id: %d\nevent: %s\ndata: %s\n\n" % (after, row.type.encode(), event)
                    sent_at = loop.time()
                if loop.time() - sent_at > _HEARTBEAT_S:
                    yield b": still here\n\n"
                    sent_at = loop.time()
                if len(rows) < _BATCH:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._context.closing.wait(), _POLL_S)
        finally:
            self._open -= 1


def read_feed(connection: Connection, query: OutcomeQuery, after: int, limit: int) -> Sequence[Row[Any]]:
    """Return the rows after a seq that the query asks for."""
    feed = _asked(query).where(OUTCOME.c.seq > after)
    return connection.execute(feed.order_by(OUTCOME.c.seq).limit(limit)).all()


def read_newest(connection: Connection, query: OutcomeQuery, number: int) -> Sequence[Row[Any]]:
    """Return the newest rows that the query asks for, the oldest of them first."""
    feed = _asked(query).order_by(OUTCOME.c.seq.desc()).limit(number)
    return connection.execute(feed).all()[::-1]


def _asked(query: OutcomeQuery) -> Select[Any]:
    """Select the outcomes that the filters of a query accept, without tests and operator events."""
    values = {"account": query.account, "queue_id": query.queue_id, "type": query.type, "id": query.event}
    conditions = [OUTCOME.c[name] == value for name, value in values.items() if value is not None]
    return select(OUTCOME).where(OUTCOME.c.type != TEST, ~is_operator(), *conditions)


def last_seq(connection: Connection) -> int:
    """Return the seq of the newest event, 0 without any."""
    return connection.scalar(select(func.max(OUTCOME.c.seq))) or 0


def view(row: Row[Any], numbers: bool) -> OutcomeEvent:
    """Return the event of a row; without `numbers`, phone numbers are masked."""
    data = orjson.loads(row.data)
    return OutcomeEvent(
        id=row.id,
        type=row.type,
        schema_version=SCHEMA_VERSION,
        timestamp=row.at,
        data=data if numbers else masked(data),
    )


def masked(data: Json) -> Json:
    """Return the data with both numbers masked, and digits in the vendor's free texts."""
    shown = dict(data)
    for name in ("a_number", "b_number"):
        if shown.get(name):
            shown[name] = {form: text and mask_number(text) for form, text in shown[name].items()}
    for name in ("raw_result", "name"):
        if shown.get(name):
            shown[name] = mask_text(shown[name])
    if shown.get("changes"):
        shown["changes"] = {name: _masked_change(change) for name, change in shown["changes"].items()}
    return shown


def _masked_change(change: Json) -> Json:
    return {name: mask_text(value) if isinstance(value, str) else value for name, value in change.items()}
