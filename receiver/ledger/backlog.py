"""What the workers behind the inbox have in common, and what each has still to do."""

import asyncio
from dataclasses import dataclass

from receiver.ledger.throttle import Throttle
from receiver.observability.metrics import Metrics
from receiver.runtime.clock import Clock
from receiver.storage.engine import Store

AFTER_FAILURE_S = 0.5
"""Pause in seconds while the store is in trouble: to try at once would fail as well."""

_LAST_S = 2.0
"""Seconds for which a worker that is to stop goes on; the next life finds what is left."""


@dataclass(frozen=True, slots=True)
class Background:
    """What reader and folder work with."""

    store: Store
    metrics: Metrics
    throttle: Throttle
    clock: Clock


class Backlog:
    """Begins as not empty, since an earlier life may have left something. For one event loop."""

    def __init__(self) -> None:
        self.growth = 0
        self._grown = asyncio.Event()
        self._done = asyncio.Event()
        self._stopping_since: float | None = None

    @property
    def is_empty(self) -> bool:
        return self._done.is_set()

    def grow(self) -> None:
        """There is something to do."""
        self.growth += 1
        self._done.clear()
        self._grown.set()

    def shrink(self, growth: int) -> None:
        """Nothing was found to do, unless it has grown since `growth`."""
        if growth == self.growth:
            self._done.set()

    def is_over(self, stop: asyncio.Event) -> bool:
        """Whether the worker should end: `stop` is set, and nothing is left or it has gone on for long
        enough.
        """
        if not stop.is_set():
            return False
        now = asyncio.get_running_loop().time()
        self._stopping_since = self._stopping_since or now
        return self.is_empty or now - self._stopping_since > _LAST_S

    async def wait_until_empty(self) -> None:
        await self._done.wait()

    async def wait_for_more(self, stop: asyncio.Event, timeout_s: float) -> bool:
        """Wait until it grows, or `stop` is set. False where neither has happened after `timeout_s`."""
        self._grown.clear()
        waits = [asyncio.ensure_future(event.wait()) for event in (self._grown, stop)]
        try:
            done, _ = await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return bool(done)

    async def rest(self, stop: asyncio.Event) -> None:
        """Pause while the store is in trouble; to stop meanwhile, do not go on."""
        if stop.is_set():
            self._done.set()
        else:
            await asyncio.sleep(AFTER_FAILURE_S)
