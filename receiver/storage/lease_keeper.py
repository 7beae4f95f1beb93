"""Leases: work that one receiver does at a time, shared among all receivers on one database.

Each receiver has one keeper. Every third of a lease's duration it renews: it announces itself, extends its
leases, and takes its share of the free ones. Workers run while their lease is held. They end before it
expires, counted from the start of its last renewal, so that a slow store never leaves two holders.
Seconds are those of the event loop.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog

from receiver.errors import StoreError
from receiver.observability.metrics import Metrics
from receiver.runtime.clock import Clock
from receiver.runtime.workers import Worker, keep_running
from receiver.storage.engine import Store
from receiver.storage.leases import LeaseRenewal, LeaseTable, renew, to_release

_log = structlog.get_logger("receiver.leases")

_RENEW, _RETRY = 1 / 3, 1 / 15
"""Time to the next renewal, and to the next one after a failure, as shares of a lease's duration."""

_STOP, _CANCEL = 3 / 4, 9 / 10
"""Time without renewal after which workers are stopped, and canceled, as shares of a lease's duration."""


@dataclass(frozen=True, slots=True)
class LeaseConfig:
    """`receiver`: name of the holder; `lease_s`: seconds that a lease lasts without renewal; `is_alone`: no
    other receiver works on this store, so other holders are stale.
    """

    receiver: str
    lease_s: float
    is_alone: bool


class LeaseKeeper:
    """Runs workers while their lease is held. `work`: lease → its workers."""

    name = "leases"

    def __init__(
        self,
        work: Mapping[str, Sequence[Worker]],
        config: LeaseConfig,
        store: Store,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._work = work
        self._config = config
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._held: dict[str, HeldLease] = {}
        self._wake = asyncio.Event()
        self._is_new = True
        self._has_failed = False
        for lease in work:
            metrics.lease_held.labels(lease).set(0)
            for worker in work[lease]:
                metrics.worker_restarts.labels(worker.name)

    async def run(self, stop: asyncio.Event) -> None:
        """Renew until `stop`, then until the workers have ended and all leases are released."""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._stop_all())
        is_last = False
        try:
            while not is_last:
                is_last = stop.is_set() and not self._held
                await self._renew(stop)
                if not is_last:
                    await self._sleep()
        finally:
            stopping.cancel()
            await self._cancel_all()

    async def _sleep(self) -> None:
        """Wait until the next renewal is due, a lease has ended, or the keeper is to stop."""
        seconds = self._config.lease_s * (_RETRY if self._has_failed else _RENEW)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()

    async def _renew(self, stop: asyncio.Event) -> None:
        began, renewal = _now(), self._next_renewal(stop)
        try:
            leases = await self._store.write(partial(renew, renewal=renewal))
        except StoreError as error:
            if not self._has_failed:
                _log.warning("leases not renewed, will be tried again", problem=str(error))
            self._has_failed = True
            return
        self._is_new = self._has_failed = False
        held = leases.held_by(renewal.receiver)
        for name, lease in self._held.items():
            if name in held:
                lease.extend(began, renewal.lease_s)
            else:
                lease.cancel()
        # Start nothing after a late answer or during a stop; the next renewal frees what this one took.
        if not stop.is_set() and _now() < began + _STOP * renewal.lease_s:
            for name in sorted(held - set(renewal.held)):
                self._start(name, began)
        self._release(leases)

    def _next_renewal(self, stop: asyncio.Event) -> LeaseRenewal:
        return LeaseRenewal(
            receiver=self._config.receiver,
            eligible=() if stop.is_set() else tuple(self._work),
            held=tuple(self._held),
            lease_s=self._config.lease_s,
            now=self._clock.real(self._clock.now()),
            is_alone=self._config.is_alone and self._is_new,
        )

    def _release(self, leases: LeaseTable) -> None:
        """Stop the workers of leases that other receivers should hold."""
        ending = {name for name, lease in self._held.items() if lease.stop.is_set()}
        for name in to_release(leases, self._config.receiver, ending):
            if name in self._held:
                self._held[name].stop.set()

    def _start(self, name: str, began: float) -> None:
        lease = self._held[name] = HeldLease(self._work[name], self._clock, self._metrics)
        lease.extend(began, self._config.lease_s)
        lease.task.add_done_callback(lambda _: self._end(name))
        self._metrics.lease_held.labels(name).set(1)
        _log.info("lease taken", lease=name, receiver=self._config.receiver)

    def _end(self, name: str) -> None:
        lease = self._held.pop(name)
        lease.clear_timers()
        self._metrics.lease_held.labels(name).set(0)
        if lease.is_lost:
            _log.warning("lease lost", lease=name, receiver=self._config.receiver)
        else:
            _log.info("lease released", lease=name, receiver=self._config.receiver)
        self._wake.set()

    def _stop_all(self) -> None:
        for lease in self._held.values():
            lease.stop.set()
        self._wake.set()

    async def _cancel_all(self) -> None:
        tasks = [lease.task for lease in self._held.values()]
        for lease in self._held.values():
            lease.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class HeldLease:
    """A lease that is held. Its workers end after `stop` is set; `task` ends after them."""

    def __init__(self, workers: Sequence[Worker], clock: Clock, metrics: Metrics) -> None:
        self.stop = asyncio.Event()
        self.is_lost = False
        self.task = asyncio.create_task(self._run(workers, clock, metrics))
        self._timers: list[asyncio.TimerHandle] = []

    async def _run(self, workers: Sequence[Worker], clock: Clock, metrics: Metrics) -> None:
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(keep_running(worker, self.stop, clock, metrics), name=worker.name)

    def extend(self, began: float, lease_s: float) -> None:
        """Restart the timers after a renewal. They run even if the keeper waits for the store."""
        self.clear_timers()
        loop = asyncio.get_running_loop()
        self._timers = [
            loop.call_at(began + _STOP * lease_s, self._lose),
            loop.call_at(began + _CANCEL * lease_s, self.cancel),
        ]

    def clear_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()

    def cancel(self) -> None:
        """Cancel the workers."""
        self._lose()
        self.task.cancel()

    def _lose(self) -> None:
        self.is_lost = True
        self.stop.set()


def _now() -> float:
    return asyncio.get_running_loop().time()
