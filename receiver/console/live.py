"""Live updates as server-sent events. One hub looks for news while somebody listens, and tells all.

- `changed`: tasks have changed; its data are at most 100 of them as `{"tasks": ["ACCOUNT/KEY"]}`, or null if
  there are more. A stream with `?task=ACCOUNT/KEY` tells only of this task.
- `parts`: HTML of a page's live parts, made once for all visitors with the same rights, language and zone,
  for streams with `?part=PAGE`.
- `ended`: the session is over, and the stream, too.

A stream takes the latest news when its client has taken the ones before, so that a slow client holds one
event in memory. The more streams are open, the slower is each: pages that are fetched again take time from
hooks.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing, suppress

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from receiver.console.changes import Changes
from receiver.console.news import LiveGroup, News, PartNews, TaskNews
from receiver.console.page import Page
from receiver.console.preferences import preferences_of
from receiver.console.rendering import HEADERS
from receiver.console.sign_in.session import SignedIn, signed_in
from receiver.console.visit import ROOT, ConsoleApi, Given, Visit, task_key
from receiver.errors import (
    ForbiddenError,
    InvalidTokenError,
    NotFoundError,
    ReceiverError,
    StoreUnavailableError,
)
from receiver.http.endpoint import Caller
from receiver.http.problems import RETRY_AFTER_S, answer_to, problem
from receiver.outcomes.schemas import OutcomeEvent, OutcomeFeed

_log = structlog.get_logger("receiver.console")

STREAM_PATH = f"{ROOT}/stream"

_POLL_S = 0.5
"""Seconds between two looks for new outcomes."""

_HEARTBEAT_S = 15.0
"""Seconds of silence after which a comment is sent, so that proxies do not close the connection."""

_SESSION_S = 30.0
"""Seconds after which a stream looks whether its session goes on."""

_RENDER_S, _REST_S = 2.0, 10.0
"""Seconds between two renderings of live parts: at least, and at most if nothing happens."""

_STAGGER_S = 0.002
"""Seconds between two streams that tell the same news, so that hooks need not wait for all of them."""

_MAX_STREAMS = 400
_BATCH = 200
"""Outcomes that are read at once."""

_LOOKER = SignedIn("live", Caller("console:live", frozenset({"read"})), "")
_HEADERS = {**HEADERS, "X-Accel-Buffering": "no"}

GroupName = tuple[str | None, str, str, frozenset[str]]
"""Page, language, zone and scopes: what live parts depend on."""


class LiveHub:
    """Serves the streams of all pages. It reads nothing while no stream is open."""

    def __init__(self, api: ConsoleApi, pages: Sequence[Page]) -> None:
        self._api = api
        self._closing = api.context.closing
        self._pages: Mapping[str | None, Page] = {page.menu: page for page in pages if page.live}
        self._changes = Changes()
        self._is_looking = asyncio.Event()
        self._groups: dict[GroupName, LiveGroup] = {}
        self._working: dict[object, asyncio.Task[None]] = {}
        self._open = self._opened = 0

    async def __call__(self, request: Request) -> Response:
        try:
            visit = await self._visit(request)
        except ReceiverError as error:
            return answer_to(error)
        if self._open >= _MAX_STREAMS:
            headers = {"Retry-After": str(RETRY_AFTER_S)}
            return problem(503, "unavailable", f"{_MAX_STREAMS} streams are open already", headers=headers)
        return StreamingResponse(self._stream(visit), media_type="text/event-stream", headers=_HEADERS)

    async def _visit(self, request: Request) -> Visit:
        """Return the visit. Raises ReceiverError unless the visitor may read, and the part exists."""
        session = await signed_in(self._api.context, request)
        if session is None:
            raise InvalidTokenError("sign in first")
        if "read" not in session.caller.scopes:
            raise ForbiddenError("this needs the scope 'read'")
        visit = Visit(request, session, preferences_of(request), self._api)
        if visit.query.get("part", next(iter(self._pages), None)) not in self._pages:
            raise NotFoundError("the console has no such live part")
        return visit

    async def _stream(self, visit: Visit) -> AsyncGenerator[bytes, None]:
        """Yield the events for a visitor, and count the stream while it is open."""
        self._open += 1
        self._opened += 1
        group = self._join(visit)
        news: News = PartNews(group) if group else TaskNews(self._changes, visit.query.get("task"))
        self._work(None, self._look)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_looking.wait(), _POLL_S)
            yield b"retry: 3000\n\n"
            async with aclosing(self._events(visit, news, self._opened)) as events:
                async for event in events:
                    yield event
        finally:
            self._open -= 1
            if group:
                group.visits.remove(visit)

    async def _events(self, visit: Visit, news: News, place: int) -> AsyncGenerator[bytes, None]:
        """Yield events at the pace of the stream. `place`: number of the stream, by which it is staggered."""
        clock = asyncio.get_running_loop().time
        sent_at = checked_at = clock()
        sent_at -= news.every_s
        while not self._closing.is_set():
            await news.changes.wait(news.seen, min(sent_at + _HEARTBEAT_S, news.due_at()) - clock())
            pace_s = max(news.every_s, self._open / news.rate)
            await self._pause(max(0.0, sent_at + pace_s - clock()) + place % self._open * _STAGGER_S)
            if self._closing.is_set():
                return
            if clock() - checked_at > _SESSION_S:
                checked_at = clock()
                if await self._is_over(visit):
                    yield b"event: ended\ndata:\n\n"
                    return
            self._work(None, self._look)  # again, if it has failed
            event = news.event(clock())
            if event or clock() - sent_at >= _HEARTBEAT_S:
                yield event or b": still here\n\n"
                sent_at = clock()

    async def _is_over(self, visit: Visit) -> bool:
        """Return whether the session has ended, or has other rights now."""
        try:
            now = await signed_in(self._api.context, visit.request)
        except ReceiverError:
            return False
        return now is None or now.caller.scopes != visit.signed.caller.scopes

    def _join(self, visit: Visit) -> LiveGroup | None:
        """Return the group of visitors that see the same live parts, if the stream is about parts."""
        part = visit.query.get("part")
        if part is None:
            return None
        scopes = visit.signed.caller.scopes
        name = part, visit.preferences.language, visit.times.zone, scopes
        group = self._groups.setdefault(name, LiveGroup(self._pages[part]))
        group.visits.append(visit)
        self._work(name, lambda: self._render(name, group))
        return group

    def _work(self, name: object, run: Callable[[], Coroutine[None, None, None]]) -> None:
        """Start background work, unless it runs already."""
        running = self._working.get(name)
        if running is None or running.done():
            task = self._working[name] = asyncio.create_task(run(), name="console-live")
            task.add_done_callback(_log_failure)

    async def _render(self, name: GroupName, group: LiveGroup) -> None:
        """Render the parts of a group after each change, while it has visitors."""
        while True:
            seen = self._changes.number
            await self._pause(max(_RENDER_S, self._open / PartNews.rate))  # none waits for it earlier
            await self._changes.wait(seen, _REST_S)
            if not group.visits or self._closing.is_set():
                break
            with suppress(StoreUnavailableError):
                await group.refresh()
        del self._groups[name], self._working[name]
        group.changes.wake()

    async def _look(self) -> None:
        """Look for new outcomes while streams are open."""
        cursor: int | None = None
        while self._open and not self._closing.is_set():
            with suppress(StoreUnavailableError):
                cursor = await self._read_on(cursor)
                self._is_looking.set()
            await self._pause(_POLL_S)
        self._is_looking.clear()
        for changes in (self._changes, *(group.changes for group in self._groups.values())):
            changes.wake()

    async def _read_on(self, cursor: int | None) -> int:
        """Tell of the tasks with outcomes after a cursor, and return the next cursor."""
        if cursor is None:
            return (await self._feed(latest="true")).cursor
        feed = await self._feed(after=cursor, limit=_BATCH)
        if feed.more:
            self._changes.add(None)
            return (await self._feed(latest="true")).cursor
        if feed.outcomes:
            self._changes.add(frozenset(map(_task_of, feed.outcomes)))
        return feed.cursor

    async def _feed(self, **query: int | str) -> OutcomeFeed:
        feed: OutcomeFeed = await self._api.call(_LOOKER, "GET", "/v1/outcomes", Given(query=query))
        return feed

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until the server stops."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)


def _task_of(event: OutcomeEvent) -> str:
    return f"{event.data['account']}/{task_key(event.data)}"


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _log.error("live updates failed", problem=repr(error))
