"""The reader: takes batches from the inbox and writes their facts into the ledger, after the answer."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

import structlog
from sqlalchemy import Connection, Row

from receiver.domain.facts import Fact
from receiver.domain.fields import FieldReader
from receiver.errors import StoreUnavailableError
from receiver.inbox import set_aside_sql
from receiver.inbox.inbox import Inbox, StoredBatch
from receiver.inbox.reading import HookReadings, Unread, read_batches, unread
from receiver.ledger.append import Arrival, Delivery, add_arrivals, known_deliveries
from receiver.ledger.backlog import Background, Backlog
from receiver.ledger.postponed import TOGETHER, Postponed
from receiver.ledger.problems import where_from
from receiver.ledger.throttle import BatchSize
from receiver.observability.spans import SpanResult, hook_span
from receiver.observability.trace_ids import trace_id
from receiver.storage.engine import translated

_log = structlog.get_logger("receiver.inbox")

LEAST, MOST = 16, 1024
"""Bounds of the number of hooks in one transaction, roughly: a batch is read as a whole."""

PEEK_S = 2.0
"""Interval in seconds at which the reader looks for hooks of other receivers, and for due retries."""

_RETRIED = 10
"""Number of set-aside hooks that are retried in a row."""


class InboxReader:
    """Reads hooks. `folded`: the backlog of the folder, which grows when hooks are read."""

    name = "reader"

    def __init__(self, inbox: Inbox, fields: FieldReader, background: Background, folded: Backlog) -> None:
        self._inbox = inbox
        self._fields = fields
        self._store, self._metrics = background.store, background.metrics
        self._throttle, self._clock = background.throttle, background.clock
        self._folded = folded
        self._size = BatchSize(LEAST, MOST)
        self._retry_at = 0.0
        self._failures = 0
        self._has_read = False
        self._postponed = Postponed[int]()
        self.backlog = Backlog()

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop` is set and the inbox is empty, or the store fails."""
        self._retry_at = _now() + PEEK_S
        while not self.backlog.is_over(stop):
            if self.backlog.is_empty:
                if not await self.backlog.wait_for_more(stop, max(0.0, self._retry_at - _now())):
                    await self._peek()
                continue
            if _now() >= self._retry_at:  # under constant load the backlog is never empty for long
                await self._peek()
            async with self._throttle.turn(stop):
                is_well = await self._step()
            if not is_well:
                await self.backlog.rest(stop)

    async def retry_all(self) -> None:
        """Retry every set-aside hook now."""
        await set_aside_sql.retry_all(self._store)
        await self._peek()

    async def _peek(self) -> None:
        """Look for hooks that other receivers left, and retry hooks that are due."""
        with suppress(StoreUnavailableError):
            if (await self._inbox.measure()).hooks:
                self.backlog.grow()
        await self._retry_due()

    async def _retry_due(self) -> None:
        """Retry some set-aside hooks that are due. If more are due they follow soon: new hooks get half of
        the time.
        """
        began = _now()
        self._retry_at = began + PEEK_S
        with suppress(StoreUnavailableError):
            rows = await self._store.read(partial(set_aside_sql.due, now=self._clock.now(), most=_RETRIED))
            for row in rows:
                await self._retry(row)
            if len(rows) == _RETRIED:
                self._retry_at = _now() + min(_now() - began, PEEK_S)

    async def _step(self) -> bool:
        """Read some batches. Return False if the store fails, or if all batches that are left are
        postponed.
        """
        most = self._size.within(self._throttle.length_s)
        try:
            try:
                if self._failures < TOGETHER:
                    return await self._read_some(most)
                await self._read_one_by_one()
            except StoreUnavailableError:
                raise
            except Exception:
                await self._read_one_by_one()
        except StoreUnavailableError as error:
            self._failures += 1
            _log.warning("hooks are not read, will be tried again", problem=str(error))
            return False
        self._failures = 0
        return True

    async def _read_some(self, most: int) -> bool:
        growth, without = self.backlog.growth, self._postponed.now(_now())
        async with self._inbox.take(most, without) as taken:
            if not taken.batches:
                await self._inbox.measure()
                if not without:
                    self.backlog.shrink(growth)
                return not without
            reading = await asyncio.to_thread(read_batches, taken.batches, self._fields)
            began = _now()
            await taken.finish(partial(_store_all, reading=reading, now=self._clock.now()))
        self._postponed.forget_past(began)
        self._failures, self._has_read = 0, True
        self._size.note(len(reading.arrivals), _now() - began)
        self._count(reading.arrivals, reading.unread)
        return True

    async def _read_one_by_one(self) -> None:
        """Read the first batch hook by hook: hooks that cannot be stored are set aside. Raises
        StoreUnavailableError; then the batch is postponed.
        """
        async with self._inbox.take(1, self._postponed.now(_now())) as taken:
            reading = await asyncio.to_thread(read_batches, taken.batches, self._fields)
            try:
                stored = await taken.finish(partial(_store_each, reading=reading, now=self._clock.now()))
            except StoreUnavailableError:
                for batch in taken.batches:
                    self._postponed.add(batch.number, _now(), is_only=self._has_read)
                self._has_read = False
                raise
        self._has_read = bool(taken.batches)
        self._count(stored.arrivals, stored.unread, stored.doubled)

    async def _retry(self, row: Row[Any]) -> None:
        batch = StoredBatch(0, row.at, row.hooks, row.batch)
        reading = await asyncio.to_thread(read_batches, [batch], self._fields)
        stored = await self._store.write(
            partial(_store_again, row=row, reading=reading, now=self._clock.now())
        )
        self._count(stored.arrivals, (), stored.doubled)

    def _count(
        self, arrivals: Sequence[Arrival], failed: Sequence[Unread], doubled: Sequence[Arrival] = ()
    ) -> None:
        """Count and log hooks that are in the ledger now, or set aside."""
        outcomes: Counter[tuple[str, str]] = Counter()
        for delivery, fact, _ in arrivals:
            outcome = "read" if delivery.problem is None else "unreadable" if fact else "set_aside"
            outcomes[delivery.event, outcome] += 1
            if delivery.problem is not None:
                _warn(delivery, fact)
        outcomes.update((arrival.delivery.event, "doubled") for arrival in doubled)
        for hook in failed:
            outcomes[hook.hook.event if hook.hook else "unknown", "set_aside"] += hook.count
            _log.error(
                "a hook cannot be read and is set aside; see `receiver set-aside`",
                request_id=hook.id,
                hooks=hook.count,
                problem=hook.problem,
            )
        for (event, outcome), number in outcomes.items():
            self._metrics.hooks_read.labels(event, outcome).inc(number)
        if any(arrival.fact for arrival in arrivals):
            self._folded.grow()
        self._trace(arrivals)

    def _trace(self, arrivals: Sequence[Arrival]) -> None:
        """Add a span for each hook of a known task, from its arrival until now."""
        traces = self._metrics.traces
        if traces is None:
            return
        now = self._clock.now()
        for delivery, fact, _ in arrivals:
            if fact is not None and traces.includes(fact):
                # Only hooks that were answered with 200 get into the inbox.
                result = SpanResult("unreadable" if delivery.problem else "read", HTTPStatus.OK)
                traces.add(hook_span(fact, delivery, now, result))


@dataclass(slots=True)
class _Stored:
    """The result of storing hooks one by one. `doubled`: they were in the ledger before."""

    arrivals: list[Arrival] = field(default_factory=list)
    doubled: list[Arrival] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)


def _store_all(connection: Connection, reading: HookReadings, now: float) -> None:
    add_arrivals(connection, reading.arrivals)
    set_aside_sql.add(connection, reading.unread, now)


def _store_each(connection: Connection, reading: HookReadings, now: float) -> _Stored:
    """Store hooks one by one: one that the store refuses is set aside, one that it has is skipped."""
    stored = _Stored(unread=list(reading.unread))
    known = known_deliveries(connection, [arrival.delivery.id for arrival in reading.arrivals])
    for hook, arrival in zip(reading.hooks, reading.arrivals, strict=True):
        if hook.id in known:
            stored.doubled.append(arrival)
            continue
        try:
            with translated(), connection.begin_nested():
                add_arrivals(connection, [arrival])
        except StoreUnavailableError:
            raise
        except Exception as error:
            stored.unread.append(unread(hook, where_from(error)))
        else:
            known.add(hook.id)
            stored.arrivals.append(arrival)
    set_aside_sql.add(connection, stored.unread, now)
    return stored


def _store_again(connection: Connection, row: Row[Any], reading: HookReadings, now: float) -> _Stored:
    """Store set-aside hooks one by one, unless another receiver retries them."""
    if not set_aside_sql.take(connection, row.id):
        return _Stored()
    stored = _store_each(connection, HookReadings(reading.hooks, reading.arrivals), now)
    problems = [*reading.unread, *stored.unread]
    again = [hook for hook in problems if hook.id == row.id or hook.hook is None]
    if again:
        set_aside_sql.failed_again(connection, row, again[0].problem, now)
    else:
        set_aside_sql.done(connection, row.id)
        set_aside_sql.add(connection, reading.unread, now)
    return stored


def _warn(delivery: Delivery, fact: Fact | None) -> None:
    trace = {"trace_id": trace_id(fact)} if fact else {}
    _log.warning(
        "hook kept but not read",
        request_id=delivery.id,
        account=delivery.account,
        hook=delivery.event,
        problem=delivery.problem,
        **trace,
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
