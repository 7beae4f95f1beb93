"""A receiver that can be killed at any moment and started again on the same file."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import httpx2

from receiver.domain.hooks import HookKey, HookSigner
from receiver.intake.access import Access, FixedAccess
from receiver.maintenance.schema import create_tables
from receiver.observability.metrics import Metrics
from receiver.outcomes.sender import Sender
from receiver.reconcile.account_context import AccountContext
from receiver.reconcile.call_reconciler import CallReconciler
from receiver.reconcile.loop import TaskReconciler
from receiver.reconcile.policy import Policy
from receiver.runtime.clock import Clock
from receiver.runtime.workers import Worker
from receiver.scheduler.account import SchedulerAccount
from receiver.scheduler.client import SchedulerClient
from receiver.storage.engine import Store
from tests.intake.transport import HookTransport
from tests.intake.wired import Wired
from tests.simulation.fate import Fate, MortalStore

Result = TypeVar("Result")
API = "http://scheduler.test/api/ver1.0"
PUBLIC = "http://receiver.test"
NUMBERS = {"north": "10001", "south": "10002"}
"""Our name of an account → its number at the scheduler."""

SIGNER = HookSigner((HookKey("sim", "simulated-secret-of-at-least-32-characters"),))
POLICY = Policy(
    margins={"find": 2.0, "progress": 90.0, "confirm": 2.0, "call": 0.0, "settle": 240.0},
    waits={"find": 30.0, "progress": 30.0, "confirm": 2.0, "call": 2.0, "settle": 30.0},
    sweep_every=300.0,
    poll=10.0,
)


def client_of(
    name: str, clock: Clock, rng: Random, metrics: Metrics, transport: httpx2.AsyncBaseTransport
) -> SchedulerClient:
    """Return a client of one account at the emulator."""
    account = SchedulerAccount(
        name=name,
        base_url=API,
        client_id=NUMBERS[name],
        oauth_client_id=f"app-{name}",
        oauth_client_secret=f"secret-{name}",
    )
    return SchedulerClient(account, clock=clock, rng=rng, metrics=metrics, transport=transport)


@dataclass
class SimulationEnv:
    """What every run of the receiver shares: file, clock, transports to scheduler and CRM, fate."""

    path: Path
    clock: Clock
    rng: Random
    transport: httpx2.AsyncBaseTransport
    fate: Fate
    crm: httpx2.AsyncBaseTransport
    policy: Policy = POLICY


@dataclass
class ReceiverEnv:
    """One run of a receiver. `hooks`: the transport to its listener."""

    store: Store
    hooks: HookTransport
    contexts: dict[str, AccountContext]
    metrics: Metrics
    workers: list[asyncio.Task[None]] = field(default_factory=list)
    jobs: list[asyncio.Task[Any]] = field(default_factory=list)
    failed: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    def open(cls, env: SimulationEnv) -> "ReceiverEnv":
        """Open the file and start all workers."""
        store = MortalStore(env.path, env.fate)
        create_tables(store)
        access = Access(SIGNER, dict.fromkeys(NUMBERS, FixedAccess()))
        wired = Wired(store, env.clock, access, env.rng)
        metrics = wired.metrics
        clients = {name: client_of(name, env.clock, env.rng, metrics, env.transport) for name in NUMBERS}
        contexts = {
            name: AccountContext(name, client, wired.ledger, store, SIGNER, env.clock, env.policy, metrics)
            for name, client in clients.items()
        }
        receiver = cls(store, wired.transport(), contexts, metrics)
        workers: list[Worker] = wired.workers
        workers.append(Sender(store, env.crm, env.clock, env.rng, metrics))
        workers += [
            kind(context) for context in contexts.values() for kind in (TaskReconciler, CallReconciler)
        ]
        receiver.workers = [
            asyncio.create_task(each.run(asyncio.Event()), name=each.name) for each in workers
        ]
        return receiver

    async def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run this work as a part of this run. Raises CancelledError if the run ends first."""
        doing = asyncio.create_task(work)
        self.jobs.append(doing)
        return await doing

    def kill(self) -> None:
        """Cancel all tasks at once, without draining."""
        self.failed = [worker for worker in self.workers if worker.done()]
        for task in (*self.workers, *self.jobs):
            task.cancel()
        self.hooks.cut()

    async def close(self) -> None:
        """Close the file after the kill. Raises the error of a worker that failed before it."""
        await asyncio.gather(*self.workers, *self.jobs, return_exceptions=True)
        self.store.close()
        for worker in self.failed:
            worker.result()
