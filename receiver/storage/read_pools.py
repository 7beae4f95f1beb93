"""Pools for reads: threads for each kind of read, so that one kind never waits for another, and processes for
reads with much computation, which would keep the event loop from the interpreter.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeVar

from anyio import BrokenWorkerProcess, CapacityLimiter, Semaphore, fail_after
from anyio.to_process import run_sync

from receiver.errors import StoreUnavailableError, TimeLimitError, TooManyReadsError

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


_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

COMPUTING = PoolLimits(min(max(_CORES - 1, 1), 2), limit_s=30.0, max_waiting=16)
"""Limits of the processes: one core stays free for everything else."""

_NICENESS = 19
_GRACE_S = 5.0
"""Seconds beyond the time limit after which a process is killed."""


@cache
def _limited_log() -> Any:
    """Return the log of broken processes, imported when needed: commands that print lists never log."""
    import structlog  # noqa: PLC0415

    from receiver.observability.logs import RateLimitedLog  # noqa: PLC0415

    return RateLimitedLog(structlog.get_logger("receiver.store"))


class ProcessPool:
    """Processes that start when needed and end after some minutes without work, for one event loop.

    `read`: run in the process with the limit in seconds and the arguments of `run`.
    """

    def __init__(self, read: Callable[..., Any]) -> None:
        self.limits = COMPUTING
        self._read = read
        self._free = Semaphore(COMPUTING.workers)
        self._count = 0

    async def run(self, *args: Any) -> Any:
        """Return the result of `read` in a free process. Arguments and result are pickled.

        Raises TooManyReadsError, TimeLimitError, StoreUnavailableError.
        """
        self.limits.admit(self._count)
        limit_s = self.limits.limit_s or 0.0
        self._count += 1
        try:
            await self._acquire(limit_s)
            try:
                with fail_after(limit_s + _GRACE_S):
                    unlimited = CapacityLimiter(1)  # the semaphore limits the processes
                    return await run_sync(self._read, limit_s, *args, cancellable=True, limiter=unlimited)
            finally:
                self._free.release()
        except TimeoutError:
            raise TimeLimitError(f"the read took longer than {limit_s:.0f} s") from None
        except BrokenWorkerProcess as error:
            text = "the process of a heavy read ended early: see whether the machine has enough memory"
            _limited_log().warning(text, problem=repr(error.__cause__))
            raise StoreUnavailableError(text) from None
        finally:
            self._count -= 1

    async def _acquire(self, limit_s: float) -> None:
        """Wait for a free process, but no longer than a read may take."""
        try:
            with fail_after(limit_s):
                await self._free.acquire()
        except TimeoutError:
            raise TooManyReadsError(f"other heavy reads took {limit_s:.0f} s") from None


def lower_priority() -> None:
    """Give this process the lowest priority for the rest of its life."""
    os.nice(_NICENESS)
