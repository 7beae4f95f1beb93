"""Leases: work that one receiver at a time does, shared out among all on one database.

Each receiver has one keeper. Every third of a lease's life it takes a turn in the store: announces itself,
renews what it holds, takes its share of what is free. While a lease is held its workers run; they end before
it does, counted from when its renewal was asked for: a store that is slow or hangs never leaves two holders.
Seconds are the event loop's.
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
from receiver.storage.lease_table import Board, to_give
from receiver.storage.leases import Ask, take_turn

_log = structlog.get_logger("receiver.leases")

_RENEW, _RETRY = 1 / 3, 1 / 15
"""Parts of a life from one turn to the next, and to the next after one that failed."""

_STOP, _CUT = 3 / 4, 9 / 10
"""Parts of a life after which workers whose lease was not renewed are told to stop, and are cancelled."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Who holds the leases, for how many seconds unless renewed. `is_alone`: no other receiver works on this
    store, so that whoever is said to is dead.
    """

    receiver: str
    life: float
    is_alone: bool


class LeaseKeeper:
    """Runs workers while their lease is held. `work`: lease → its workers."""

    name = "leases"

    def __init__(
        self, work: Mapping[str, Sequence[Worker]], terms: Terms, store: Store, clock: Clock, metrics: Metrics
    ) -> None:
        self._work = work
        self._terms = terms
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._tenures: dict[str, _Tenure] = {}
        self._wake = asyncio.Event()
        self._is_new = True
        self._is_troubled = False
        for lease in work:
            metrics.lease_held.labels(lease).set(0)
            for worker in work[lease]:
                metrics.worker_restarts.labels(worker.name)

    async def run(self, stop: asyncio.Event) -> None:
        """Turn after turn until `stop`; then until the workers have ended and what was held is free."""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._dismiss_all())
        is_last = False
        try:
            while not is_last:
                is_last = stop.is_set() and not self._tenures
                await self._turn(stop)
                if not is_last:
                    await self._rest()
        finally:
            stopping.cancel()
            await self._cut_all()

    async def _rest(self) -> None:
        """Until the next turn is due, or a tenure has ended, or we are to stop."""
        seconds = self._terms.life * (_RETRY if self._is_troubled else _RENEW)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()

    async def _turn(self, stop: asyncio.Event) -> None:
        asked, ask = _now(), self._ask(stop)
        try:
            board = await self._store.write(partial(take_turn, ask=ask))
        except StoreError as error:
            if not self._is_troubled:
                _log.warning("leases not renewed, will be tried again", problem=str(error))
            self._is_troubled = True
            return
        self._is_new = self._is_troubled = False
        for lease, tenure in self._tenures.items():
            if lease in board.held_by(ask.receiver):
                tenure.extend(asked, ask.life)
            else:
                tenure.cut()
        # An answer that came late, or while we stop, begins nothing: the next turn frees what it gave.
        if not stop.is_set() and _now() < asked + _STOP * ask.life:
            for lease in sorted(board.held_by(ask.receiver) - set(ask.holds)):
                self._begin(lease, asked)
        self._give_up(board)

    def _ask(self, stop: asyncio.Event) -> Ask:
        return Ask(
            receiver=self._terms.receiver,
            could=() if stop.is_set() else tuple(self._work),
            holds=tuple(self._tenures),
            life=self._terms.life,
            now=self._clock.real(self._clock.now()),
            is_alone=self._terms.is_alone and self._is_new,
        )

    def _give_up(self, board: Board) -> None:
        """Tell the workers to stop whose leases others should have."""
        ending = {lease for lease, tenure in self._tenures.items() if tenure.stop.is_set()}
        for lease in to_give(board, self._terms.receiver, ending):
            if lease in self._tenures:
                self._tenures[lease].stop.set()

    def _begin(self, lease: str, asked: float) -> None:
        tenure = self._tenures[lease] = _Tenure(self._work[lease], self._clock, self._metrics)
        tenure.extend(asked, self._terms.life)
        tenure.task.add_done_callback(lambda _: self._end(lease))
        self._metrics.lease_held.labels(lease).set(1)
        _log.info("lease taken", lease=lease, receiver=self._terms.receiver)

    def _end(self, lease: str) -> None:
        tenure = self._tenures.pop(lease)
        tenure.forget()
        self._metrics.lease_held.labels(lease).set(0)
        if tenure.is_lost:
            _log.warning("lease lost", lease=lease, receiver=self._terms.receiver)
        else:
            _log.info("lease released", lease=lease, receiver=self._terms.receiver)
        self._wake.set()

    def _dismiss_all(self) -> None:
        for tenure in self._tenures.values():
            tenure.stop.set()
        self._wake.set()

    async def _cut_all(self) -> None:
        tasks = [tenure.task for tenure in self._tenures.values()]
        for tenure in self._tenures.values():
            tenure.cut()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Tenure:
    """One time of holding a lease. Its workers end once `stop` is set; `task` ends after them."""

    def __init__(self, workers: Sequence[Worker], clock: Clock, metrics: Metrics) -> None:
        self.stop = asyncio.Event()
        self.is_lost = False
        self.task = asyncio.create_task(self._run(workers, clock, metrics))
        self._timers: list[asyncio.TimerHandle] = []

    async def _run(self, workers: Sequence[Worker], clock: Clock, metrics: Metrics) -> None:
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(keep_running(worker, self.stop, clock, metrics), name=worker.name)

    def extend(self, asked: float, life: float) -> None:
        """The lease was renewed. Timers, since whoever asks for renewals may be waiting for the store."""
        self.forget()
        loop = asyncio.get_running_loop()
        self._timers = [
            loop.call_at(asked + _STOP * life, self._lose),
            loop.call_at(asked + _CUT * life, self.cut),
        ]

    def forget(self) -> None:
        """Leave the workers alone."""
        for timer in self._timers:
            timer.cancel()

    def cut(self) -> None:
        """End the workers where they stand."""
        self._lose()
        self.task.cancel()

    def _lose(self) -> None:
        self.is_lost = True
        self.stop.set()


def _now() -> float:
    return asyncio.get_running_loop().time()
