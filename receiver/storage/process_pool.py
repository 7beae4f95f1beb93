"""Processes for reads with much computation, which would keep the event loop from the interpreter."""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

from anyio import BrokenWorkerProcess, CapacityLimiter, Semaphore, fail_after
from anyio.to_process import run_sync

from receiver.errors import StoreUnavailableError, TimeLimitError, TooManyReadsError
from receiver.storage.read_pools import PoolLimits

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
