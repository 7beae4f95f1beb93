"""Everything from the hook listener to the timelines over a real store, asked without sockets."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import Table, select

from receiver.domain.hooks import HookKey, HookSigner, mint_urls
from receiver.intake.access import Access, FixedAccess
from receiver.ledger.tables import DELIVERY, FACT
from receiver.maintenance.schema import create_tables
from receiver.runtime.clock import WallClock
from receiver.storage.engine import Store
from receiver.storage.postgres import is_url
from receiver.tasks.tables import TASK
from tests.intake.memory import Line
from tests.intake.wired import Wired

OLD_KEY, NEW_KEY = HookKey("old", "o" * 32), HookKey("new", "n" * 32)
SIGNER = HookSigner((NEW_KEY, OLD_KEY))
FIXED_SECRET = "a-fixed-secret-of-the-account"
MAX_BODY = 2_000
FIXED = {
    "main": FixedAccess(secret=FIXED_SECRET),
    "listed": FixedAccess(addresses=("203.0.113.0/24",)),
    "shut": FixedAccess(),
}


@dataclass(frozen=True)
class IntakeEnv:
    """`peer(address)` is a client at that address; `http` is one at 198.51.100.7."""

    target: str
    wired: Wired
    http: httpx2.AsyncClient
    peer: Callable[[str], httpx2.AsyncClient]

    def line(self) -> Line:
        """A connection, byte for byte."""
        return Line(self.wired.connect)

    async def rows(self) -> list[dict[str, Any]]:
        """The deliveries, once all hooks are read."""
        return await self._table(DELIVERY)

    async def row(self) -> dict[str, Any]:
        (row,) = await self.rows()
        return row

    async def task(self) -> dict[str, Any]:
        """The only task, once it is folded."""
        (row,) = await self._table(TASK)
        return row

    async def facts(self) -> list[dict[str, Any]]:
        return await self._table(FACT)

    def counted(self, event: str, outcome: str) -> float:
        """Requests that were answered so."""
        return self.wired.sample("intake_requests_total", {"event": event, "outcome": outcome})

    async def read(self, event: str, outcome: str) -> float:
        """Hooks that were read so, once all of them are."""
        await self.wired.caught_up()
        return self.wired.sample("hooks_read_total", {"event": event, "outcome": outcome})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Another process holds what a hook has to be written to."""
        other = Store(self.target)
        try:
            with contextlib.suppress(_InVainError), other.transaction() as connection:
                connection.exec_driver_sql("LOCK TABLE inbox" if is_url(self.target) else "SELECT 1")
                yield
                raise _InVainError
        finally:
            other.close()

    async def _table(self, table: Table) -> list[dict[str, Any]]:
        """All rows of a table, in order of its primary key, once everything is read and folded."""
        await self.wired.caught_up()
        with self.wired.store.snapshot() as connection:
            query = select(table).order_by(*table.primary_key)
            return [dict(row._mapping) for row in connection.execute(query)]


class _InVainError(Exception):
    pass


def path_of(event: str, ref: str = "r1", account: str = "main", signer: HookSigner = SIGNER) -> str:
    return mint_urls(signer, "", account, ref)[f"url_{event}"]


@asynccontextmanager
async def open_intake_env(
    target: str | Path, proxies: tuple[str, ...] = (), timeout_s: float | None = None
) -> AsyncIterator[IntakeEnv]:
    with contextlib.closing(Store(target)) as new:
        create_tables(new)
    store = Store(target, timeout_s)
    wired = Wired(store, WallClock(), Access(SIGNER, FIXED, proxies), max_body=MAX_BODY)

    def peer(address: str) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=wired.transport(address), base_url="http://receiver.test")

    try:
        async with wired.running(), peer("198.51.100.7") as http:
            yield IntakeEnv(str(target), wired, http, peer)
    finally:
        store.close()
