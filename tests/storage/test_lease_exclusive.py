"""Never two at the same work: receivers come, stop, die, have trouble with the store. In virtual time."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Connection

from receiver.errors import StoreUnavailableError
from receiver.maintenance.schema import create_tables
from receiver.storage.engine import Result, Store
from tests.simulation.loop import SimulatedClock, run
from tests.storage.lease_env import LIFE, Kept, Yard, open_yard

LEASES = "abcde"


class MoodyStore(Store):
    """Slow, hanging or failing, before the transaction or after it, for a while each."""

    def __init__(self, path: Path, rng: Random) -> None:
        super().__init__(path)
        self._rng = rng
        self.mood = 0.0

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        await self._trouble()
        result = await super().write(work)
        await self._trouble()
        return result

    async def _trouble(self) -> None:
        if self._rng.random() < self.mood:
            await asyncio.sleep(self._rng.choice((0.0, 0.1, 0.4, 1.0, 2.0)) * LIFE * self._rng.random())
            if self._rng.random() < 0.5:
                raise StoreUnavailableError("it is in trouble")


class Crowd:
    """Up to four receivers, each with a store object of its own on the one file."""

    def __init__(self, yard: Yard, clock: SimulatedClock, path: Path, rng: Random) -> None:
        self._yard, self._clock, self._path, self._rng = yard, clock, path, rng
        self._alive: dict[str, tuple[Kept, MoodyStore]] = {}
        self._stopping: list[asyncio.Task[None]] = []
        self._stores: list[MoodyStore] = []
        self._born = 0

    async def live(self, moments: int) -> None:
        for _ in range(moments):
            self._happen(self._rng.choice(("come", "come", "stop", "die", "mood", "mood", "nothing")))
            await self._clock.sleep(self._rng.random() * LIFE)

    async def calm_down(self) -> None:
        """No more trouble; at least one receiver is there, which has time to take all."""
        for _, store in self._alive.values():
            store.mood = 0.0
        if not self._alive:
            self._happen("come")
            next(iter(self._alive.values()))[1].mood = 0.0
        await asyncio.gather(*self._stopping)
        await self._clock.sleep(8 * LIFE)

    def close(self) -> None:
        for store in self._stores:
            store.close()

    def _happen(self, what: str) -> None:
        if what == "come" and len(self._alive) < 4:
            self._come()
        elif self._alive and what in ("stop", "die"):
            kept, store = self._alive.pop(self._rng.choice(sorted(self._alive)))
            store.mood *= what == "stop"
            self._stopping.append(asyncio.create_task(kept.stop() if what == "stop" else kept.kill()))
        elif self._alive and what == "mood":
            self._alive[self._rng.choice(sorted(self._alive))][1].mood = self._rng.choice((0.0, 0.3, 0.8))

    def _come(self) -> None:
        self._born += 1
        name, store = f"r{self._born}", MoodyStore(self._path, self._rng)
        self._stores.append(store)
        could = self._rng.choice((LEASES, LEASES, "abc", "de"))
        self._alive[name] = self._yard.start(name, store, *could, drain=self._drain), store

    async def _drain(self) -> None:
        """As long as it takes; some would never end."""
        await self._clock.sleep(self._rng.choice((0.0, 0.1, 1.0, 5.0)) * LIFE * self._rng.random())


@pytest.mark.parametrize("seed", range(6))
def test_no_work_is_ever_done_by_two_and_in_the_end_all_is_done(seed: int, tmp_path: Path) -> None:
    async def script() -> None:
        rng, clock, path = Random(seed), SimulatedClock(), tmp_path / "leases.db"
        with closing(Store(path)) as first:
            create_tables(first)
        async with open_yard(clock) as yard:
            crowd = Crowd(yard, clock, path, rng)
            try:
                await crowd.live(60)
                assert len(yard.watch.begun) > 20
                await crowd.calm_down()
                able = {lease for kept in yard.kept if not kept.running.done() for lease in kept.leases}
                assert sorted(lease for lease, _ in yard.watch.working) == sorted(able)
            finally:
                for kept in yard.kept:
                    await kept.kill()
                crowd.close()

    run(script(), seed)
