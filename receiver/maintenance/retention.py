"""What is too old is deleted: a little at a time, with rests in between, since hooks come first."""

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
    Expired,
    count,
    count_tasks,
    delete_deliveries,
    delete_tasks,
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
"""Rows deleted in one transaction: fewer where it took longer than this, or had to wait so long for hooks."""

_REST, _LEAST_REST_S = 9.0, 0.02
"""The rest after a transaction, in times of what it took: nine tenths of the time belong to the hooks."""

_FOUND = 5_000
"""Rows found by one read."""

_FACTS_A_TASK = 10
"""A guess from which follows how many tasks are tried at once."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Keep:
    """For how many seconds what is kept; None: for ever. `deliveries`: those whose facts stay; `set_aside`:
    those that name no task, so that nothing else tells of them; `tasks`: settled ones, with all they have.
    """

    deliveries: float | None = None
    set_aside: float | None = None
    tasks: float | None = None


@dataclass(frozen=True, slots=True)
class DeletedBatch:
    """What one transaction deleted, and how long whoever wants to leave room for hooks should rest then."""

    deleted: Deleted
    rest_s: float


class RetentionWorker:
    """Deletes what is too old, at once and then every hour."""

    name = "retention"

    def __init__(
        self, store: Store, projector: Projector, keep: Keep, clock: Clock, metrics: Metrics
    ) -> None:
        self._store = store
        self._projector = projector
        self._keep = keep
        self._clock = clock
        self._metrics = metrics

    async def run(self, stop: asyncio.Event) -> None:
        """One pass after the other until `stop`."""
        while not stop.is_set():
            await self.once(stop)
            await pause(self._clock, EVERY_S, stop)

    async def once(self, stop: asyncio.Event) -> None:
        """One pass. What a store in trouble leaves undone is left to the next."""
        total: Deleted = Counter()
        try:
            pruning = Pruning(self._store, self._projector, self._keep, self._clock.now())
            async with aclosing(pruning.batches()) as batches:
                async for batch in batches:
                    total += batch.deleted
                    for kind, rows in batch.deleted.items():
                        self._metrics.retention_deleted.labels(kind).inc(rows)
                    await pause(self._clock, batch.rest_s, stop)
                    if stop.is_set():
                        break
        except StoreUnavailableError as error:
            _log.warning("not all that is too old was deleted", problem=str(error))
        if total:
            _log.info("what was too old is deleted", **total)


class Pruning:
    """One pass over the store. `keep`: no deliveries longer than the tasks that they are of."""

    def __init__(self, store: Store, projector: Projector, keep: Keep, now: float) -> None:
        self._store = store
        self._projector = projector
        self._keep = keep
        self._now = now
        self._most = MOST_ROWS

    async def batches(self) -> AsyncGenerator[DeletedBatch, None]:
        """Delete, a transaction for each batch. Raises StoreUnavailableError."""
        keep, now = self._keep, self._now
        if keep.deliveries is not None:
            async for ids in self._expired_deliveries(now - keep.deliveries):
                async for batch in self._delete_deliveries("delivery", ids):
                    yield batch
        if keep.set_aside is not None:
            async for ids in self._expired_set_aside(now - keep.set_aside):
                async for batch in self._delete_deliveries("set_aside", ids):
                    yield batch
        if keep.tasks is not None:
            async for account, keys in self._expired_tasks(now - keep.tasks):
                async for batch in self._delete_tasks(account, keys, now - keep.tasks):
                    yield batch

    async def count(self) -> Deleted:
        """What `batches` would delete, if nothing else happened meanwhile."""
        keep, now, counted = self._keep, self._now, Counter[str]()
        if keep.deliveries is not None:
            counted["delivery"] = await self._count(expired_deliveries(now - keep.deliveries))
        if keep.set_aside is not None:
            counted["set_aside"] = await self._count(expired_set_aside(now - keep.set_aside))
        if keep.tasks is not None:
            async for account, keys in self._expired_tasks(now - keep.tasks):
                tasks = Expired(account, keys, now - keep.tasks)
                found = await self._store.read(partial(count_tasks, projector=self._projector, tasks=tasks))
                if keep.deliveries is not None:
                    del found["delivery"]  # they are no younger than their task, so counted already
                counted += found
        return counted

    async def _expired_deliveries(self, before: float) -> AsyncIterator[list[str]]:
        """Ids, each once: what was passed need not be passed again, nor what PostgreSQL has not vacuumed."""
        last = ""
        while found := await self._find(expired_deliveries(before, last)):
            yield [row.id for row in found]
            last = found[-1].id

    async def _expired_set_aside(self, before: float) -> AsyncIterator[list[str]]:
        """Ids of the first that there are: they must be deleted before the next are asked for."""
        while found := await self._find(expired_set_aside(before)):
            yield [row.id for row in found]

    async def _expired_tasks(self, before: float) -> AsyncIterator[tuple[str, list[str]]]:
        """Keys by account, each once: one that has to stay would be found again for ever."""
        last: Row[Any] | None = None
        while found := await self._find(expired_tasks(before, last)):
            by_account: dict[str, list[str]] = defaultdict(list)
            for row in found:
                by_account[row.account].append(row.key)
            for account, keys in by_account.items():
                yield account, keys
            last = found[-1]

    async def _delete_deliveries(self, kind: str, ids: list[str]) -> AsyncIterator[DeletedBatch]:
        while ids:
            some, ids = ids[: self._most], ids[self._most :]
            deleted, rest_s = await self._write(partial(delete_deliveries, ids=some))
            yield DeletedBatch(Counter({kind: deleted}), rest_s)

    async def _delete_tasks(
        self, account: str, keys: list[str], before: float
    ) -> AsyncIterator[DeletedBatch]:
        while keys:
            tried = max(1, self._most // _FACTS_A_TASK)
            tasks = Expired(account, keys[:tried], before)
            work = partial(delete_tasks, projector=self._projector, tasks=tasks, most=self._most)
            done, rest_s = await self._write(work)
            if done is None:
                yield DeletedBatch(Counter(), rest_s)
            else:
                deleted, left = done
                keys = left + keys[tried:]
                yield DeletedBatch(deleted, rest_s)

    async def _write(self, work: Callable[[Connection], Result]) -> tuple[Result, float]:
        """One transaction, and the rest that is due after it."""
        now = asyncio.get_running_loop().time
        began = now()
        done = await self._store.write(work)
        took = now() - began
        self._most = max(_LEAST_ROWS, self._most // 2) if took > _TARGET_S else min(MOST_ROWS, self._most * 2)
        return done, max(_LEAST_REST_S, _REST * took)

    async def _find(self, query: Select[Any]) -> list[Row[Any]]:
        return await self._store.read(lambda connection: list(connection.execute(query.limit(_FOUND))))

    async def _count(self, query: Select[Any]) -> int:
        return await self._store.read(partial(count, query=query))
