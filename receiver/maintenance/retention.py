"""Delete expired rows in small transactions, with rests in between that leave the store to hooks."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Row, Select

from receiver.errors import StoreUnavailableError
from receiver.ledger.projector import Projector
from receiver.maintenance.expiry import (
    Deleted,
    ExpiredTasks,
    count,
    count_tasks,
    delete_audit,
    delete_deliveries,
    delete_tasks,
    expired_audit,
    expired_deliveries,
    expired_set_aside,
    expired_tasks,
)
from receiver.observability.metrics import Metrics
from receiver.runtime.clock import Clock
from receiver.runtime.workers import pause
from receiver.storage.engine import Store

_log = structlog.get_logger("receiver.retention")

EVERY_S = 3600.0

MOST_ROWS, _LEAST_ROWS, _TARGET_S = 250, 25, 0.02
"""Bounds on the rows of a transaction, and its target in seconds. A slower transaction, also one that waited
for hooks, halves the number of rows.
"""

_REST, _LEAST_REST_S = 9.0, 0.02
"""Rest after a transaction, in multiples of its duration: hooks have nine tenths of the time."""

_ROWS_A_READ = 5_000

_FACTS_A_TASK = 10
"""Estimated facts of a task; it decides the number of tasks of a transaction."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """Seconds after which rows expire; None: never. `deliveries`: raw deliveries, whose facts stay.
    `set_aside`: deliveries that name no task and have no facts. `tasks`: settled tasks with all their rows.
    `audit`: records of who did what.
    """

    deliveries: float | None = None
    set_aside: float | None = None
    tasks: float | None = None
    audit: float | None = None


@dataclass(frozen=True, slots=True)
class DeletedBatch:
    """Rows that one transaction deleted, and the seconds to rest after it."""

    deleted: Deleted
    rest_s: float


class RetentionWorker:
    """Deletes expired rows at the start and then every hour."""

    name = "retention"

    def __init__(
        self, store: Store, projector: Projector, rules: RetentionRules, clock: Clock, metrics: Metrics
    ) -> None:
        self._store = store
        self._projector = projector
        self._rules = rules
        self._clock = clock
        self._metrics = metrics

    async def run(self, stop: asyncio.Event) -> None:
        """Run a pass every hour until `stop`."""
        while not stop.is_set():
            await self.once(stop)
            await pause(self._clock, EVERY_S, stop)

    async def once(self, stop: asyncio.Event) -> None:
        """Run one pass. If the store fails, the next pass does the rest."""
        total: Deleted = Counter()
        try:
            pruning = Pruning(self._store, self._projector, self._rules, self._clock.now())
            async with aclosing(pruning.batches()) as batches:
                async for batch in batches:
                    total += batch.deleted
                    for kind, rows in batch.deleted.items():
                        self._metrics.retention_deleted.labels(kind).inc(rows)
                    await pause(self._clock, batch.rest_s, stop)
                    if stop.is_set():
                        break
        except StoreUnavailableError as error:
            _log.warning("retention pass not finished", problem=str(error))
        if total:
            _log.info("expired rows deleted", **total)


class Pruning:
    """One pass over the store. `rules` keep deliveries no longer than their tasks."""

    def __init__(self, store: Store, projector: Projector, rules: RetentionRules, now: float) -> None:
        self._store = store
        self._projector = projector
        self._rules = rules
        self._now = now
        self._most = MOST_ROWS

    async def batches(self) -> AsyncGenerator[DeletedBatch, None]:
        """Delete and yield one batch a transaction. Raises StoreUnavailableError."""
        rules, now = self._rules, self._now
        if rules.deliveries is not None:
            query = partial(expired_deliveries, now - rules.deliveries)
            async for batch in self._delete_deliveries("delivery", query):
                yield batch
        if rules.set_aside is not None:
            # This query has no start: the rows that it found are deleted before it runs again.
            expired = expired_set_aside(now - rules.set_aside)
            async for batch in self._delete_deliveries("set_aside", lambda _: expired):
                yield batch
        if rules.tasks is not None:
            async for account, keys in self._expired_tasks(now - rules.tasks):
                async for batch in self._delete_tasks(account, keys, now - rules.tasks):
                    yield batch
        if rules.audit is not None:
            async for batch in self._delete_audit(now - rules.audit):
                yield batch

    async def count(self) -> Deleted:
        """Return the rows that `batches` would delete now."""
        rules, now, counted = self._rules, self._now, Counter[str]()
        if rules.deliveries is not None:
            counted["delivery"] = await self._count(expired_deliveries(now - rules.deliveries))
        if rules.set_aside is not None:
            counted["set_aside"] = await self._count(expired_set_aside(now - rules.set_aside))
        if rules.tasks is not None:
            async for account, keys in self._expired_tasks(now - rules.tasks):
                tasks = ExpiredTasks(account, keys, now - rules.tasks)
                found = await self._store.read(partial(count_tasks, projector=self._projector, tasks=tasks))
                if rules.deliveries is not None:
                    del found["delivery"]  # older than their tasks, so counted already
                counted += found
        if rules.audit is not None:
            counted["audit"] = await self._count(expired_audit(now - rules.audit))
        return counted

    async def _delete_deliveries(
        self, kind: str, query: Callable[[str], Select[Any]]
    ) -> AsyncIterator[DeletedBatch]:
        """Delete the deliveries that a query finds. It starts after the last id, since PostgreSQL keeps
        deleted rows until a vacuum.
        """
        last = ""
        while ids := [row.id for row in await self._find(query(last))]:
            last = ids[-1]
            while ids:
                batch, ids = ids[: self._most], ids[self._most :]
                deleted, rest_s = await self._write(partial(delete_deliveries, ids=batch))
                yield DeletedBatch(Counter({kind: deleted}), rest_s)

    async def _expired_tasks(self, before: float) -> AsyncIterator[tuple[str, list[str]]]:
        """Yield keys by account, each key once, since a task that cannot be deleted yet would never end."""
        last: Row[Any] | None = None
        while found := await self._find(expired_tasks(before, last)):
            by_account: dict[str, list[str]] = defaultdict(list)
            for row in found:
                by_account[row.account].append(row.key)
            for account, keys in by_account.items():
                yield account, keys
            last = found[-1]

    async def _delete_tasks(
        self, account: str, keys: list[str], before: float
    ) -> AsyncIterator[DeletedBatch]:
        while keys:
            tried = max(1, self._most // _FACTS_A_TASK)
            tasks = ExpiredTasks(account, keys[:tried], before)
            work = partial(delete_tasks, projector=self._projector, tasks=tasks, most=self._most)
            result, rest_s = await self._write(work)
            deleted, left = result or (Counter(), keys[:tried])
            keys = left + keys[tried:]
            yield DeletedBatch(deleted, rest_s)

    async def _delete_audit(self, before: float) -> AsyncIterator[DeletedBatch]:
        while seqs := [row.seq for row in await self._find(expired_audit(before))]:
            while seqs:
                batch, seqs = seqs[: self._most], seqs[self._most :]
                deleted, rest_s = await self._write(partial(delete_audit, seqs=batch))
                yield DeletedBatch(Counter(audit=deleted), rest_s)

    async def _write(self, work: Callable[[Connection], Result]) -> tuple[Result, float]:
        """Return the result of a transaction and the seconds to rest after it."""
        now = asyncio.get_running_loop().time
        began = now()
        result = await self._store.write(work)
        took_s = now() - began
        is_slow = took_s > _TARGET_S
        self._most = max(_LEAST_ROWS, self._most // 2) if is_slow else min(MOST_ROWS, self._most * 2)
        return result, max(_LEAST_REST_S, _REST * took_s)

    async def _find(self, query: Select[Any]) -> list[Row[Any]]:
        return await self._store.read(lambda connection: list(connection.execute(query.limit(_ROWS_A_READ))))

    async def _count(self, query: Select[Any]) -> int:
        return await self._store.read(partial(count, query=query))
