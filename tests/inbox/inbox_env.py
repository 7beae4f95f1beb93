"""An inbox with its reader and the folder behind it, on a store of their own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table, select

from receiver.domain.facts import id_time
from receiver.domain.fields import DEFAULT_ALIASES, FieldReader
from receiver.inbox.inbox import RawHook, StoreInbox
from receiver.inbox.reader import InboxReader
from receiver.inbox.tables import INBOX, SET_ASIDE
from receiver.ledger.backlog import Background
from receiver.ledger.folder import Folder
from receiver.ledger.rebuild import Comparison
from receiver.ledger.tables import DELIVERY, DIRTY_TASK, FACT
from receiver.ledger.throttle import Throttle
from receiver.maintenance.schema import create_tables
from receiver.observability.metrics import Metrics
from receiver.runtime.clock import Clock, WallClock
from receiver.storage.engine import Store
from tests.factories import ACCOUNT
from tests.ledger.projecting import PROJECTOR, verify

AT = 1_772_357_400.0


def raw_hook(number: int = 0, ref: str | None = "r1", **changes: Any) -> RawHook:
    """One hook as the intake hands it on; its id follows from the number and the time."""
    at = changes.pop("received_at", AT + number)
    given: dict[str, Any] = {
        "id": f"{id_time(at)}{number:020x}",
        "account": ACCOUNT,
        "event": "before",
        "ref": ref,
        "received_at": at,
        "method": "POST",
        "query": b"",
        "headers": ((b"content-type", b"application/x-www-form-urlencoded"),),
        "body": b"id=7",
        "peer": "192.0.2.1",
    }
    return RawHook(**given | changes)


def raw_hooks(count: int, first: int = 0) -> list[RawHook]:
    """Hooks about a task each: `r0`, `r1`, …"""
    return [raw_hook(number, f"r{number}") for number in range(first, first + count)]


@dataclass
class InboxEnv:
    """`run()` starts the workers; they are stopped at the end of `open_inbox`."""

    target: str
    store: Store
    clock: Clock
    inbox: StoreInbox
    reader: InboxReader
    folder: Folder
    metrics: Metrics
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    running: list[asyncio.Task[None]] = field(default_factory=list)

    async def append(self, *hooks: RawHook) -> None:
        """One batch of these hooks comes in."""
        await append(self.inbox, *hooks)
        self.reader.backlog.grow()

    async def append_document(self, document: bytes, count: int = 1, at: float = AT) -> None:
        """One batch whose document is not ours."""
        statement = "INSERT INTO inbox (at, count, bytes, batch) VALUES (?, ?, ?, ?)"
        async with self.inbox.turn:
            await self.store.append(statement, at, count, len(document), document)
        self.reader.backlog.grow()

    def run(self) -> None:
        """Let reader and folder work."""
        workers = (self.reader, self.folder)
        self.running = [asyncio.create_task(worker.run(self.stop), name=worker.name) for worker in workers]

    async def caught_up(self) -> None:
        """Returns once all is read and folded."""
        async with asyncio.timeout(20):
            await self.reader.backlog.wait_until_empty()
            await self.folder.backlog.wait_until_empty()

    async def close(self) -> None:
        """Let the workers end."""
        self.stop.set()
        for task in self.running:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait_for(task, 20)
        self.running = []

    def rows(self, table: Table) -> list[dict[str, Any]]:
        """All rows of a table, in order of its primary key."""
        with closing(Store(self.target)) as patient, patient.snapshot() as connection:
            query = select(table).order_by(*table.primary_key)
            return [dict(row._mapping) for row in connection.execute(query)]

    def column(self, table: Table, name: str) -> list[Any]:
        return [row[name] for row in self.rows(table)]

    def read(self, outcome: str, event: str = "before") -> float:
        """How many hooks were counted so."""
        labels = {"event": event, "outcome": outcome}
        return self.metrics.registry.get_sample_value("callback_hooks_read_total", labels) or 0.0


async def append(inbox: StoreInbox, *hooks: RawHook) -> None:
    """Keep one batch, as the intake does."""
    async with inbox.turn:
        await inbox.append(hooks, hooks[0].received_at if hooks else AT)


def check(env: InboxEnv, hooks: Sequence[RawHook]) -> None:
    """All these hooks, and nothing else, are in the ledger once, folded; nothing is left to do."""
    assert env.column(DELIVERY, "id") == sorted(hook.id for hook in hooks)
    assert len(env.rows(FACT)) == len(hooks)
    assert (env.rows(INBOX), env.rows(SET_ASIDE), env.rows(DIRTY_TASK)) == ([], [], [])
    with closing(Store(env.target)) as patient:
        assert verify(patient) == Comparison([], 0)
    assert not any(task.done() for task in env.running)


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until it is, but not for ever."""
    for _ in range(500):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


@asynccontextmanager
async def open_inbox(
    target: str, timeout_s: float | None = None, clock: Clock | None = None, is_idle: bool = False
) -> AsyncIterator[InboxEnv]:
    """One on the store there. `is_idle`: the workers are not started yet."""
    store, metrics, clock = Store(target, timeout_s), Metrics(), clock or WallClock()
    create_tables(store)
    background = Background(store, metrics, Throttle(lambda: 0.0), clock)
    inbox, folder = StoreInbox(store, max_hooks=100_000, max_bytes=2**30), Folder(background, PROJECTOR)
    reader = InboxReader(inbox, FieldReader(DEFAULT_ALIASES), background, folder.backlog)
    env = InboxEnv(target, store, clock, inbox, reader, folder, metrics)
    if not is_idle:
        env.run()
    try:
        yield env
    finally:
        await env.close()
        store.close()
