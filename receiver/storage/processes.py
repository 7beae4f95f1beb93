"""Reads that compute much, in processes of their own: in one process Python runs one thread at a time, and
they would take turns with what answers hooks and sends outcomes.
"""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

from anyio import BrokenWorkerProcess, CapacityLimiter, Semaphore, fail_after
from anyio.to_process import run_sync

from receiver.errors import StoreUnavailableError, TimeLimitError, TooManyReadsError
from receiver.storage.lanes import LaneRules

_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

COMPUTING = LaneRules(min(max(_CORES - 1, 1), 2), limit_s=30.0, most_waiting=16)
"""Processes instead of threads, and one core is left to all else; the rest as for other heavy reads."""

_NICENESS = 19
_GRACE_S = 5.0
"""Seconds beyond the limit after which a process that goes on computing is killed."""


@cache
def _seldom() -> Any:
    """Return the log of broken processes, imported when needed: most commands log nothing."""
    import structlog  # noqa: PLC0415

    from receiver.observability.logs import Seldom  # noqa: PLC0415

    return Seldom(structlog.get_logger("receiver.store"))


class LaneProcesses:
    """Processes that are begun when they are first needed, and live on for some minutes without work. For one
    event loop. `read`: what they do, with these arguments: the limit in seconds and those of `run`.
    """

    def __init__(self, read: Callable[..., Any]) -> None:
        self.rules = COMPUTING
        self._read = read
        self._free = Semaphore(COMPUTING.threads)
        self._taken = 0

    async def run(self, *args: Any) -> Any:
        """What it returns, once a process is free. Arguments and result are pickled. Raises
        TooManyReadsError, TimeLimitError, StoreUnavailableError, and what it raises.
        """
        self.rules.admit(self._taken)
        limit_s = self.rules.limit_s or 0.0
        self._taken += 1
        try:
            await self._wait_for_one(limit_s)
            try:
                with fail_after(limit_s + _GRACE_S):
                    alone = CapacityLimiter(1)  # how many there are is counted here
                    return await run_sync(self._read, limit_s, *args, cancellable=True, limiter=alone)
            finally:
                self._free.release()
        except TimeoutError:
            raise TimeLimitError(f"the read took longer than {limit_s:.0f} s") from None
        except BrokenWorkerProcess as error:
            text = "the process of a heavy read ended early: see whether the machine has enough memory"
            _seldom().warning(text, problem=repr(error.__cause__))
            raise StoreUnavailableError(text) from None
        finally:
            self._taken -= 1

    async def _wait_for_one(self, limit_s: float) -> None:
        """Take a free process. A client waits for no longer than a read may take."""
        try:
            with fail_after(limit_s):
                await self._free.acquire()
        except TimeoutError:
            raise TooManyReadsError(f"other heavy reads took {limit_s:.0f} s") from None


def give_way() -> None:
    """Let all other processes go first, for as long as this one lives."""
    os.nice(_NICENESS)
