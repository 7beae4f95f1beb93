"""Keepers on one store, and workers that tell when they run."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from receiver.observability.metrics import Metrics
from receiver.runtime.clock import Clock
from receiver.runtime.workers import Worker
from receiver.storage.engine import Store
from receiver.storage.lease_keeper import LeaseConfig, LeaseKeeper

LIFE = 15.0


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(2000):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


@dataclass
class Watch:
    """Who works under which lease now. `violations`: all that began while another was at it."""

    working: list[tuple[str, str]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    begun: list[tuple[str, str]] = field(default_factory=list)

    def enter(self, lease: str, receiver: str) -> None:
        self.violations += [
            f"{receiver} began {lease} beside {who}" for at, who in self.working if at == lease
        ]
        self.working.append((lease, receiver))
        self.begun.append((lease, receiver))

    def leave(self, lease: str, receiver: str) -> None:
        self.working.remove((lease, receiver))

    def of(self, receiver: str) -> list[str]:
        return sorted(lease for lease, who in self.working if who == receiver)

    async def until(self, **working: Sequence[str]) -> None:
        """Wait until each of these receivers works under just these leases."""
        await until(lambda: all(self.of(each) == list(leases) for each, leases in working.items()))


@dataclass
class Probe:
    """A worker. `drain`: what it does between being told to stop and ending."""

    lease: str
    receiver: str
    watch: Watch
    drain: Callable[[], Awaitable[None]]

    name = "probe"

    async def run(self, stop: asyncio.Event) -> None:
        self.watch.enter(self.lease, self.receiver)
        try:
            await stop.wait()
            await self.drain()
        finally:
            self.watch.leave(self.lease, self.receiver)


async def at_once() -> None:
    return


@dataclass
class Kept:
    """One receiver's keeper at work. `stop` ends it as it should end; `kill` where it stands."""

    leases: tuple[str, ...]
    metrics: Metrics
    stopping: asyncio.Event
    running: asyncio.Task[None]

    async def stop(self) -> None:
        self.stopping.set()
        await self.running

    async def kill(self) -> None:
        self.running.cancel()
        await asyncio.wait([self.running])

    def sample(self, lease: str) -> float | None:
        return self.metrics.registry.get_sample_value("callback_lease_held", {"lease": lease})


@dataclass
class Yard:
    """Where keepers are started; those that run at the end are killed."""

    watch: Watch
    clock: Clock
    life: float = LIFE
    kept: list[Kept] = field(default_factory=list)

    def start(
        self,
        receiver: str,
        store: Store,
        *leases: str,
        drain: Callable[[], Awaitable[None]] = at_once,
        is_alone: bool = False,
    ) -> Kept:
        work: dict[str, list[Worker]] = {
            lease: [Probe(lease, receiver, self.watch, drain)] for lease in leases
        }
        metrics, stop = Metrics(), asyncio.Event()
        keeper = LeaseKeeper(work, LeaseConfig(receiver, self.life, is_alone), store, self.clock, metrics)
        kept = Kept(leases, metrics, stop, asyncio.create_task(keeper.run(stop)))
        self.kept.append(kept)
        return kept


@asynccontextmanager
async def open_yard(clock: Clock, life: float = LIFE) -> AsyncIterator[Yard]:
    yard = Yard(Watch(), clock, life)
    try:
        yield yard
    finally:
        for kept in yard.kept:
            await kept.kill()
    assert yard.watch.violations == []
