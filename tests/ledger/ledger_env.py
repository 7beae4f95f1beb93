"""A ledger and a folder at work on a store of their own, and what can be asked of them."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, select

from receiver.domain.facts import Fact, unpack
from receiver.domain.fold import fold
from receiver.domain.task_rows import finding_rows, task_row
from receiver.domain.timeline import Timeline
from receiver.ledger.append import Arrival, Delivery, add_arrivals
from receiver.ledger.backlog import Background
from receiver.ledger.folder import Folder
from receiver.ledger.ledger import Ledger
from receiver.ledger.tables import FACT, LINK
from receiver.ledger.throttle import Throttle
from receiver.maintenance.schema import create_tables
from receiver.observability.metrics import Metrics
from receiver.runtime.clock import Clock, WallClock
from receiver.storage.engine import Store
from receiver.storage.postgres import is_url
from receiver.tasks.tables import FINDING, TASK
from tests.ledger.projecting import PROJECTOR

Rows = dict[str, list[dict[str, Any]]]
"""Table → its rows in order of the primary key."""


@dataclass
class LedgerEnv:
    """`running` is the task in which the ledger commits and the folder folds; it ends once `stop` is set."""

    store_target: str
    store: Store
    metrics: Metrics
    ledger: Ledger
    folder: Folder
    stop: asyncio.Event
    running: asyncio.Task[None]

    async def accept(self, *arrivals: Arrival) -> None:
        """Hooks come in, as the reader writes them: on disk once this returns, and folded a little later."""
        await self.store.write(partial(add_arrivals, arrivals=arrivals))
        self.folder.backlog.grow()

    async def caught_up(self) -> None:
        """Returns once all hooks that came in are folded."""
        await self.folder.backlog.wait_until_empty()

    def rows(self, table: Table) -> list[dict[str, Any]]:
        """All rows of a table, in order of its primary key."""
        with self.store.snapshot() as connection:
            query = select(table).order_by(*table.primary_key)
            return [dict(row._mapping) for row in connection.execute(query)]

    def derived(self) -> Rows:
        """What stands in the derived tables, but for queues."""
        return {table.name: self.rows(table) for table in (TASK, FINDING, LINK)}

    def told_by_the_ledger(self) -> Rows:
        """What should stand there: all facts at once, read and folded without a statement of the store."""
        links: dict[tuple[str, str], str] = {}
        tasks: dict[tuple[str, str], list[Fact]] = defaultdict(list)
        facts = [row for row in self.rows(FACT) if row["kind"] != "queue"]
        for row in facts:
            if row["ref"] and row["task_id"]:
                links.setdefault((row["account"], row["task_id"]), row["ref"])
        for row in facts:
            account, ref, task_id = row["account"], row["ref"], row["task_id"]
            key = ref or links.get((account, task_id)) or f"#{task_id}"
            said = unpack(row["kind"], row["said"])
            tasks[account, key].append(Fact(row["id"], account, row["at"], said, ref, task_id))
        timelines = [fold(tasks[name]) for name in sorted(tasks)]
        findings = [row for timeline in timelines for row in finding_rows(timeline)]
        names = ("account", "key", "category", "kind")
        return {
            "task": [_new_row(timeline) for timeline in timelines],
            "finding": sorted(findings, key=lambda row: [row[name] for name in names]),
            "link": [{"account": a, "task_id": t, "ref": ref} for (a, t), ref in sorted(links.items())],
        }

    def facts(self) -> set[str]:
        return {row["id"] for row in self.rows(FACT)}

    def task(self) -> dict[str, Any]:
        (row,) = self.rows(TASK)
        return row

    def sample(self, name: str, **labels: str) -> float:
        """A metric's value now."""
        return self.metrics.registry.get_sample_value(f"callback_{name}", labels) or 0.0

    async def arrive(self, fact: Fact, delivery: Delivery) -> None:
        """A hook comes in and is folded."""
        await self.accept(Arrival(delivery, fact))
        await self.caught_up()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Another process holds the write lock."""
        with other_process(self.store_target) as other:
            other.exec_driver_sql("LOCK TABLE fact" if is_url(self.store_target) else "SELECT 1")
            yield


def _new_row(timeline: Timeline) -> dict[str, Any]:
    row = task_row(timeline)
    return row | {"ask_at": row["due_at"], "asks": 0}


@contextmanager
def other_process(target: str) -> Iterator[Connection]:
    """A transaction of somebody else's, in vain at its end."""
    other = Store(target)
    try:
        with contextlib.suppress(_InVainError), other.transaction() as connection:
            yield connection
            raise _InVainError
    finally:
        other.close()


class _InVainError(Exception):
    pass


@asynccontextmanager
async def open_ledger_env(
    target: str | Path, timeout_s: float | None = None, clock: Clock | None = None
) -> AsyncIterator[LedgerEnv]:
    """A ledger and a folder that run, on the store there; `timeout_s` as `Store` has it."""
    store, metrics, stop = Store(target, timeout_s), Metrics(), asyncio.Event()
    create_tables(store)
    ledger = Ledger(store, metrics, PROJECTOR)
    folder = Folder(Background(store, metrics, Throttle(time.process_time), clock or WallClock()), PROJECTOR)
    running = asyncio.create_task(_run(ledger, folder, stop))
    ledger_env = LedgerEnv(str(target), store, metrics, ledger, folder, stop, running)
    try:
        yield ledger_env
    finally:
        stop.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(ledger_env.running, 20)
        store.close()


async def _run(ledger: Ledger, folder: Folder, stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as workers:
        workers.create_task(ledger.run(stop))
        workers.create_task(folder.run(stop))
