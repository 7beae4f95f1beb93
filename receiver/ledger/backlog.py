"""Parts of the background workers: what reader and folder share, and the backlog of each."""

import asyncio
from dataclasses import dataclass

from receiver.ledger.throttle import Throttle
from receiver.observability.metrics import Metrics
from receiver.runtime.clock import Clock
from receiver.storage.engine import Store

AFTER_FAILURE_S = 0.5
"""Pause in seconds after a failure of the store: an immediate retry would fail as well."""

_LAST_S = 2.0
"""Maximum seconds for which a stopping worker goes on; the next start continues with the rest."""


@dataclass(frozen=True, slots=True)
class Background:
    """Parts that reader and folder share."""

    store: Store
    metrics: Metrics
    throttle: Throttle
    clock: Clock


class Backlog:
    """Whether a worker has something to do. At the start it has, since an earlier run may have left
    something. For one event loop.
    """

    def __init__(self) -> None:
        self.growth = 0
        self._grown = asyncio.Event()
        self._done = asyncio.Event()
        self._stopping_since: float | None = None

    @property
    def is_empty(self) -> bool:
        return self._done.is_set()

    def grow(self) -> None:
        """Note that there is something to do."""
        self.growth += 1
        self._done.clear()
        self._grown.set()

    def shrink(self, growth: int) -> None:
        """Note that nothing was found to do, unless the backlog has grown since `growth`."""
        if growth == self.growth:
            self._done.set()

    def is_over(self, stop: asyncio.Event) -> bool:
        """Return whether the worker should end: `stop` is set, and nothing is left or the time for it is
        over.
        """
        if not stop.is_set():
            return False
        now = asyncio.get_running_loop().time()
        self._stopping_since = self._stopping_since or now
        return self.is_empty or now - self._stopping_since > _LAST_S

    async def wait_until_empty(self) -> None:
        await self._done.wait()

    async def wait_for_more(self, stop: asyncio.Event, timeout_s: float) -> bool:
        """Wait until the backlog grows or `stop` is set. Return False after `timeout_s`."""
        self._grown.clear()
        waits = [asyncio.ensure_future(event.wait()) for event in (self._grown, stop)]
        try:
            done, _ = await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return bool(done)

    async def rest(self, stop: asyncio.Event) -> None:
        """Pause after a failure of the store; if `stop` is set, give up instead."""
        if stop.is_set():
            self._done.set()
        else:
            await asyncio.sleep(AFTER_FAILURE_S)
