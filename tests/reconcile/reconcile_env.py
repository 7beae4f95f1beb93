"""One receiver's reconciliation on a store of its own, in virtual time, worked by hand or left to itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import httpx2
from sqlalchemy import Table, select
from starlette.types import ASGIApp

from receiver.domain.hooks import HookKey, HookSigner, mint_urls
from receiver.emulator.config import AccountConfig, EmulatorConfig
from receiver.emulator.emulator import Emulator, create_emulator
from receiver.intake.access import Access, FixedAccess
from receiver.ledger.tables import FACT
from receiver.maintenance.schema import create_tables
from receiver.observability.metrics import Metrics
from receiver.reconcile.account_context import AccountContext
from receiver.reconcile.call_reconciler import CallReconciler
from receiver.reconcile.creation import create_tasks, with_urls
from receiver.reconcile.loop import TaskReconciler
from receiver.reconcile.memory import PassReport
from receiver.reconcile.policy import Policy
from receiver.scheduler.account import SchedulerAccount
from receiver.scheduler.client import SchedulerClient
from receiver.scheduler.wire import NewQueue, NewTask, TaskRecord
from receiver.storage.engine import Store
from receiver.tasks.tables import FINDING, QUEUE, SWEEP, TASK
from tests.intake.transport import HookTransport
from tests.intake.wired import Wired, peeking_rarely
from tests.simulation.loop import SimulatedClock

PUBLIC, SECRET = "http://receiver.test", "fixed-secret-of-north"
NUMBERS = {"north": "10001", "south": "10002"}
SIGNER = HookSigner((HookKey("one", "a-secret-of-at-least-32-characters"),))
POLICY = Policy(
    margins={"find": 2.0, "progress": 90.0, "confirm": 2.0, "call": 0.0, "settle": 240.0},
    waits={"find": 60.0, "progress": 60.0, "confirm": 2.0, "call": 2.0, "settle": 60.0},
    poll=5.0,
)


@dataclass
class ReconcileEnv:
    """A receiver with the accounts `north` and `south`, of which tests mostly use the first."""

    store: Store
    metrics: Metrics
    wired: Wired
    clock: SimulatedClock
    hooks: httpx2.AsyncClient
    contexts: dict[str, AccountContext]
    emulator: Emulator | None = None
    tasks: TaskReconciler = field(init=False)
    calls: CallReconciler = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget all that the workers had in memory."""
        self.tasks, self.calls = TaskReconciler(self.context), CallReconciler(self.context)

    @property
    def context(self) -> AccountContext:
        return self.contexts["north"]

    async def pass_after(self, seconds: float) -> PassReport:
        """One pass over the tasks, so much later."""
        await self.clock.sleep(seconds)
        return await self.tasks.once()

    async def work(self, seconds: float, *contexts: AccountContext) -> None:
        """Let the workers go on by themselves for so long."""
        stop = asyncio.Event()
        workers = [
            kind(context)
            for context in contexts or (self.context,)
            for kind in (TaskReconciler, CallReconciler)
        ]
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(worker.run(stop))
            await self.clock.sleep(seconds)
            stop.set()

    async def hook(self, event: str, ref: str = "r1", account: str = "north", **fields: Any) -> None:
        """One delivery at the task's minted URL."""
        url = mint_urls(SIGNER, PUBLIC, account, ref)[f"url_{event}"]
        await self._send(url, fields)

    async def fixed_hook(self, event: str, **fields: Any) -> None:
        """One delivery at the account's fixed URL; only its fields say which task it is about."""
        url = f"{PUBLIC}/hooks/north/{event}/{SECRET}"
        await self._send(url, fields)

    async def _send(self, url: str, fields: dict[str, Any]) -> None:
        """Returns once what was sent is folded."""
        assert (await self.hooks.post(url, data=fields)).status_code == 200
        await self.wired.caught_up()

    async def queue(self, name: str = "queue", account: str = "north", **fields: Any) -> str:
        """The id of a new queue that is on."""
        new = NewQueue(name=name, status="on", concurrent_task_limit=100, **fields)
        return (await self.contexts[account].client.create_queue(new)).id

    async def create(
        self, queue_id: str, *refs: str, account: str = "north", **fields: Any
    ) -> list[TaskRecord]:
        """New tasks, known to the receiver; by default they start in an hour."""
        wish = {"a_number": "101", "b_number": "79990000001", "start_time_utc": 3600} | fields
        context = self.contexts[account]
        tasks = [with_urls(context, PUBLIC, ref, NewTask(**wish)) for ref in refs]
        return await create_tasks(context, queue_id, tasks)

    def rows(self, table: Table) -> list[dict[str, Any]]:
        with self.store.snapshot() as connection:
            query = select(table).order_by(*table.primary_key)
            return [dict(row._mapping) for row in connection.execute(query)]

    def task(self, key: str = "r1", account: str = "north") -> dict[str, Any]:
        (row,) = [row for row in self.rows(TASK) if (row["account"], row["key"]) == (account, key)]
        return row

    def facts(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in self.rows(FACT) if row["kind"] == kind]

    def findings(self, category: str) -> dict[str, int]:
        return {row["kind"]: row["count"] for row in self.rows(FINDING) if row["category"] == category}

    def sweep(self) -> dict[str, Any]:
        (row,) = self.rows(SWEEP)
        return row

    def queue_states(self) -> dict[str, str]:
        return {row["queue_id"]: row["status"] for row in self.rows(QUEUE)}

    def requests(self, *operations: str) -> int:
        """How many such API requests the emulator has seen."""
        assert self.emulator is not None
        seen = self.emulator.truth()["requests"]
        return sum(sum(seen.get(operation, {}).values()) for operation in operations)


def minted(ref: str, account: str = "north", signer: HookSigner = SIGNER) -> dict[str, str]:
    """The four URLs of a task as its record carries them."""
    urls = mint_urls(signer, PUBLIC, account, ref)
    return {name: url for name, url in urls.items() if name != "ref"}


@asynccontextmanager
async def reconcile_env(
    where: Path | str, scheduler: ASGIApp, policy: Policy = POLICY
) -> AsyncIterator[ReconcileEnv]:
    """Reconciliation in front of that scheduler; for use within `loop.run`. `where`: a folder, or a store."""
    clock = SimulatedClock()
    store = Store(where / "receiver.db" if isinstance(where, Path) else where)
    create_tables(store)
    access = Access(SIGNER, {name: FixedAccess(SECRET) for name in NUMBERS})
    wired = Wired(store, clock, access)
    ledger, metrics = wired.ledger, wired.metrics
    transport = httpx2.ASGITransport(scheduler)
    contexts = {
        name: AccountContext(
            name, _client(name, clock, metrics, transport), ledger, store, SIGNER, clock, policy, metrics
        )
        for name in NUMBERS
    }
    try:
        with peeking_rarely():
            async with wired.running(), httpx2.AsyncClient(transport=wired.transport()) as hooks:
                yield ReconcileEnv(store, metrics, wired, clock, hooks, contexts)
    finally:
        store.close()


class _Back(httpx2.AsyncBaseTransport):
    """The way back to a reconcile_env, which is there once the emulator is."""

    there: HookTransport

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self.there.handle_async_request(request)


@asynccontextmanager
async def emulated(folder: Path, policy: Policy = POLICY, **settings: Any) -> AsyncIterator[ReconcileEnv]:
    """A reconcile_env in front of an emulator whose hooks come back to it."""
    accounts = tuple(
        AccountConfig(number, f"app-{name}", f"secret-{name}") for name, number in NUMBERS.items()
    )
    config = replace(EmulatorConfig(accounts=accounts, history_seconds=0.0), **settings)
    back = _Back()
    emulator = create_emulator(config, clock=SimulatedClock(), hook_transport=back)
    stop = asyncio.Event()
    async with reconcile_env(folder, emulator.app, policy) as it:
        it.emulator = emulator
        back.there = it.wired.transport()
        executing = asyncio.create_task(emulator.run(stop))
        yield it
        stop.set()
        await executing


def _client(
    name: str, clock: SimulatedClock, metrics: Metrics, transport: httpx2.AsyncBaseTransport
) -> SchedulerClient:
    account = SchedulerAccount(
        name=name,
        base_url="http://scheduler.test/api/ver1.0",
        client_id=NUMBERS[name],
        oauth_client_id=f"app-{name}",
        oauth_client_secret=f"secret-{name}",
    )
    return SchedulerClient(account, clock=clock, rng=Random(name), metrics=metrics, transport=transport)
