"""The reader: takes batches out of the inbox and writes what they say into the ledger, behind the answer."""

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
from receiver.inbox import set_aside
from receiver.inbox.inbox import Batch, Inbox
from receiver.inbox.reading import Reading, Unread, read_batches, unread
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
"""Hooks read in one transaction, roughly: a batch is read whole."""

PEEK_S = 2.0
"""Pause in seconds before looking for what another receiver has left, or what is to be retried."""

_RETRIED = 10
"""Hooks that were set aside and are tried again in a row."""


class InboxReader:
    """Reads hooks. `folded`: the backlog of who folds, which grows by what is read."""

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
        """Read until `stop` is set and nothing is left, or the store is in trouble."""
        self._retry_at = _now() + PEEK_S
        while not self.backlog.is_over(stop):
            if self.backlog.is_empty:
                if not await self.backlog.wait_for_more(stop, max(0.0, self._retry_at - _now())):
                    await self._peek()
                continue
            if _now() >= self._retry_at:  # where hooks come all the time the backlog is never empty for long
                await self._peek()
            async with self._throttle.turn(stop):
                is_well = await self._step()
            if not is_well:
                await self.backlog.rest(stop)

    async def retry_all(self) -> None:
        """Let every hook that was set aside be tried again now."""
        await set_aside.retry_all(self._store)
        await self._peek()

    async def _peek(self) -> None:
        """Look for what another receiver has left, and try again what is due. Reads, mostly in vain."""
        with suppress(StoreUnavailableError):
            if (await self._inbox.measure()).hooks:
                self.backlog.grow()
        await self._retry_due()

    async def _retry_due(self) -> None:
        """Try again some hooks whose time has come. If there are more of them they follow soon; new hooks get
        half of the time.
        """
        began = _now()
        self._retry_at = began + PEEK_S
        with suppress(StoreUnavailableError):
            rows = await self._store.read(partial(set_aside.due, now=self._clock.now(), most=_RETRIED))
            for row in rows:
                await self._retry(row)
            if len(rows) == _RETRIED:
                self._retry_at = _now() + min(_now() - began, PEEK_S)

    async def _step(self) -> bool:
        """Read some batches. False where the store is in trouble, or was over all batches that are left."""
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
            await taken.finish(partial(_keep, reading=reading, now=self._clock.now()))
        self._postponed.forget_past(began)
        self._failures, self._has_read = 0, True
        self._size.note(len(reading.arrivals), _now() - began)
        self._count(reading.arrivals, reading.unread)
        return True

    async def _read_one_by_one(self) -> None:
        """Read the first batch, and let what cannot be kept of it be set aside. Raises StoreUnavailableError,
        and then others are read before it for a while.
        """
        async with self._inbox.take(1, self._postponed.now(_now())) as taken:
            reading = await asyncio.to_thread(read_batches, taken.batches, self._fields)
            try:
                kept = await taken.finish(partial(_keep_each, reading=reading, now=self._clock.now()))
            except StoreUnavailableError:
                for batch in taken.batches:
                    self._postponed.add(batch.number, _now(), is_only=self._has_read)
                self._has_read = False
                raise
        self._has_read = bool(taken.batches)
        self._count(kept.arrivals, kept.unread, kept.doubled)

    async def _retry(self, row: Row[Any]) -> None:
        batch = Batch(0, row.at, row.hooks, row.batch)
        reading = await asyncio.to_thread(read_batches, [batch], self._fields)
        kept = await self._store.write(partial(_keep_again, row=row, reading=reading, now=self._clock.now()))
        self._count(kept.arrivals, (), kept.doubled)

    def _count(
        self, arrivals: Sequence[Arrival], failed: Sequence[Unread], doubled: Sequence[Arrival] = ()
    ) -> None:
        """Count hooks that are in the ledger now, or set aside."""
        outcomes: Counter[tuple[str, str]] = Counter()
        for delivery, fact, _ in arrivals:
            outcome = "read" if delivery.problem is None else "unreadable" if fact else "set_aside"
            outcomes[delivery.event, outcome] += 1
            if delivery.problem is not None:
                _warn(delivery, fact)
        outcomes.update((each.delivery.event, "doubled") for each in doubled)
        for each in failed:
            outcomes[each.hook.event if each.hook else "unknown", "set_aside"] += each.count
            _log.error(
                "a hook cannot be read and is set aside; see `receiver set-aside`",
                request_id=each.id,
                hooks=each.count,
                problem=each.problem,
            )
        for (event, outcome), number in outcomes.items():
            self._metrics.hooks_read.labels(event, outcome).inc(number)
        if any(each.fact for each in arrivals):
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
class _Kept:
    """What became of hooks that were kept one by one. `doubled`: they were in the ledger already."""

    arrivals: list[Arrival] = field(default_factory=list)
    doubled: list[Arrival] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)


def _keep(connection: Connection, reading: Reading, now: float) -> None:
    add_arrivals(connection, reading.arrivals)
    set_aside.add(connection, reading.unread, now)


def _keep_each(connection: Connection, reading: Reading, now: float) -> _Kept:
    """Keep each hook by itself: one that the store does not take is set aside, one that it has is left."""
    kept = _Kept(unread=list(reading.unread))
    known = known_deliveries(connection, [each.delivery.id for each in reading.arrivals])
    for hook, arrival in zip(reading.hooks, reading.arrivals, strict=True):
        if hook.id in known:
            kept.doubled.append(arrival)
            continue
        try:
            with translated(), connection.begin_nested():
                add_arrivals(connection, [arrival])
        except StoreUnavailableError:
            raise
        except Exception as error:
            kept.unread.append(unread(hook, where_from(error)))
        else:
            known.add(hook.id)
            kept.arrivals.append(arrival)
    set_aside.add(connection, kept.unread, now)
    return kept


def _keep_again(connection: Connection, row: Row[Any], reading: Reading, now: float) -> _Kept:
    """The same of hooks that were set aside before, unless another receiver is at them."""
    if not set_aside.take(connection, row.id):
        return _Kept()
    kept = _keep_each(connection, Reading(reading.hooks, reading.arrivals), now)
    problems = [*reading.unread, *kept.unread]
    again = [each for each in problems if each.id == row.id or each.hook is None]
    if again:
        set_aside.failed_again(connection, row, again[0].problem, now)
    else:
        set_aside.done(connection, row.id)
        set_aside.add(connection, reading.unread, now)
    return kept


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
