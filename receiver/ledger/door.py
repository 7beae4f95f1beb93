"""The one door: hooks and observations are committed in groups; what hooks say is folded right behind.

A hook is acknowledged once it is on disk, before it is folded: its fact is marked as pending in the same
transaction, and whoever folds it takes the mark away in that of the timeline. So a burst is taken in as fast
as it comes, and a fault in the fold costs no hook.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial

from receiver.domain.facts import Fact
from receiver.domain.fold import Fold, fold
from receiver.errors import StoreUnavailableError
from receiver.ledger import folding
from receiver.ledger.backlog import OTHER_FOLDS_S, Backlog, Work
from receiver.ledger.counting import count
from receiver.ledger.group_commit import GroupCommit
from receiver.ledger.line import MAX_WAIT_S
from receiver.ledger.pace import Pace
from receiver.metrics import Metrics
from receiver.store.backend import Arrival
from receiver.store.engine import Store

_SLOW_S = 0.5
"""A failure of the store that took longer is everybody's."""

_FACT_BYTES = 1000
"""The size of an observation, roughly."""


class Ledger:
    """Records facts. `run()` must be running for its methods to return. `busy`: see `Pace`; `fold`: what
    folds one task.
    """

    name = "ledger"

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        busy: Callable[[], float] = time.process_time,
        fold: Fold = fold,
    ) -> None:
        self._store = store
        self._fold = fold
        self._metrics = metrics
        # Beside each other also where they share a connection: observations may wait for another receiver.
        turns = [asyncio.Lock() for _ in range(4)] if store.appends_beside else [asyncio.Lock()] * 4
        self._backlog = Backlog(store, metrics, Pace(busy), Work(turns[0], fold), self._note_trouble)
        self._hooks = GroupCommit(self._append, metrics, turns[1], self._note_trouble)
        self._observations = GroupCommit(self._record, metrics, turns[2], self._note_trouble)
        self._probes = GroupCommit(store.probe, metrics, turns[3], self._note_trouble)

    def accept(self, arrival: Arrival) -> asyncio.Future[None]:
        """What to wait for: done once the hook is on disk; it is folded soon after. Raises as
        `GroupCommit.join` does.
        """
        return self._hooks.join(arrival, len(arrival.delivery.body) + len(arrival.delivery.headers))

    async def record(self, facts: Sequence[Fact]) -> None:
        """Returns once the facts are on disk and folded. Raises as `GroupCommit.join` does."""
        await self._observations.join(facts, _FACT_BYTES * len(facts))

    async def probe(self, name: str) -> None:
        """Returns once a delivery of this id, which must be new, was kept and taken back. Raises as
        `GroupCommit.join` does.
        """
        await self._probes.join(name, len(name))

    async def caught_up(self) -> None:
        """Returns once every hook that was accepted is folded."""
        await self._backlog.caught_up()

    async def run(self, stop: asyncio.Event) -> None:
        """Commit what waits, and fold, until `stop` is set and nothing is left to do."""
        committed = asyncio.Event()
        async with asyncio.TaskGroup() as all_of_it:
            all_of_it.create_task(self._backlog.run(committed))
            async with asyncio.TaskGroup() as commits:
                commits.create_task(self._hooks.run(stop))
                commits.create_task(self._observations.run(stop))
                commits.create_task(self._probes.run(stop))
            committed.set()

    def _note_trouble(self, error: StoreUnavailableError, seconds: float) -> None:
        """Folding rests; after a failure that took long, whoever waits would wait as long for the same."""
        self._backlog.rest()
        if seconds > _SLOW_S:
            self._hooks.turn_away(error)
            self._observations.turn_away(error)
            self._probes.turn_away(error)

    async def _append(self, arrivals: Sequence[Arrival]) -> None:
        began = asyncio.get_running_loop().time()
        await self._store.append(arrivals)
        self._backlog.note_commit(asyncio.get_running_loop().time() - began)

    async def _record(self, batch: Sequence[Sequence[Fact]]) -> None:
        facts = [fact for some in batch for fact in some]
        until = asyncio.get_running_loop().time() + MAX_WAIT_S
        work = partial(folding.record, facts=facts, fold=self._fold)
        while (changes := await self._store.write(work)) is None:
            if asyncio.get_running_loop().time() > until:
                raise StoreUnavailableError("another receiver has been folding for too long")
            await asyncio.sleep(OTHER_FOLDS_S)
        for change in changes:
            count(self._metrics, change)
