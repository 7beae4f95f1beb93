"""Pools of threads for reads, one for each kind of read, so that one kind never waits for another."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeVar

from receiver.errors import TooManyReadsError

Result = TypeVar("Result")

ReadKind = Literal["work", "request", "heavy", "export"]
"""Background work; short requests; requests that read much; exports, which read one chunk at a time."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """`workers`: reads at the same time; `limit_s`: seconds per read, None: the connection's own limit;
    `max_waiting`: reads that wait for a worker, None: unlimited.
    """

    workers: int
    limit_s: float | None = None
    max_waiting: int | None = None

    def admit(self, count: int) -> None:
        """Raise TooManyReadsError if no more reads may wait. `count`: reads that run or wait."""
        if self.max_waiting is not None and count >= self.workers + self.max_waiting:
            raise TooManyReadsError(f"{self.max_waiting} heavy reads wait already")


POOLS: Mapping[ReadKind, PoolLimits] = {
    "work": PoolLimits(3),
    "request": PoolLimits(2),
    "heavy": PoolLimits(2, limit_s=30.0, max_waiting=16),
    "export": PoolLimits(1, limit_s=30.0),
}

READERS = sum(limits.workers for limits in POOLS.values())
"""Number of connections for reads."""


class ReadPool:
    """The threads for one kind of read, for one event loop."""

    def __init__(self, kind: ReadKind) -> None:
        self.limits = POOLS[kind]
        self._threads = ThreadPoolExecutor(self.limits.workers, thread_name_prefix=f"store-{kind}")
        self._count = 0

    async def run(self, work: Callable[[], Result]) -> Result:
        """Return the result of `work`, run in a free thread. Raises TooManyReadsError."""
        self.limits.admit(self._count)
        self._count += 1
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        running.add_done_callback(self._finish)
        # A canceled caller keeps its place until the thread is free.
        return await asyncio.shield(running)

    def _finish(self, running: "asyncio.Future[Result]") -> None:
        self._count -= 1
        if not running.cancelled():
            running.exception()  # mark as retrieved, in case the caller was canceled

    def close(self) -> None:
        """Finish running reads and drop waiting ones."""
        self._threads.shutdown(cancel_futures=True)
