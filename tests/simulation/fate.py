"""When the receiver dies: at any time, or at the worst one, which is around a commit."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Literal

from sqlalchemy import Connection

from receiver.store.engine import Result, Store

Moment = Literal["before", "after"]


class Fate:
    """Strikes before a commit that took long to come, or after one of which its caller has not heard."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._wanted: Moment | None = None
        self._commits = 0
        self._strike: Callable[[], None] = lambda: None

    async def spin(self, strike: Callable[[], None]) -> None:
        """Let the receiver live for a while, then call `strike`; returns when that was done."""
        struck = asyncio.Event()

        def end() -> None:
            self._wanted = None
            strike()
            struck.set()

        wanted: Moment | None = self._rng.choice((None, "before", "before", "after"))
        if wanted is None:
            await asyncio.sleep(self._rng.uniform(5, 240))
            end()
        self._wanted, self._commits, self._strike = wanted, self._rng.randrange(3, 60), end
        await struck.wait()

    async def meet(self, moment: Moment) -> None:
        """Called around every commit; where it ends the caller's life, the caller is cancelled in here."""
        if moment != self._wanted:
            return
        self._commits -= 1
        if self._commits == 0:
            await asyncio.sleep(1.0 if moment == "before" else 0.0)
            self._strike()
            await asyncio.sleep(0)


class MortalStore(Store):
    """A store whose owner may die over a commit."""

    def __init__(self, path: Path, fate: Fate) -> None:
        super().__init__(path)
        self._fate = fate

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        await self._fate.meet("before")
        result = await super().write(work)
        await self._fate.meet("after")
        return result
