"""The throttle of background work: hooks come first, so reading and folding get idle time and a small share
of the rest.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

SHARE = 0.05
"""Seconds of background work per second of commits, even if the receiver is busy."""

_GAIN, _NEVER_BUSY = 4.0, 0.1
"""Seconds of background work per idle second of processor and store. The busiest receiver still waits for
disk and network in a tenth of the time, which is therefore not idle time.
"""

_MOST_S = 0.05
"""Maximum credit in seconds, so that idle hours do not become one long transaction."""

_LULL_S = 0.002
"""Pause in seconds before the credit is checked again."""

_BUSY_S = 0.05
"""Seconds after a commit of hooks in which more hooks are expected."""


class TransactionLimits(NamedTuple):
    """Limits of background transactions. `at_once`: number at the same time. `busy_s`, `idle_s`: length of
    each in seconds while hooks come in, and while none do.
    """

    at_once: int
    busy_s: float
    idle_s: float


ONE_WRITER = TransactionLimits(1, 0.004, 0.05)
"""SQLite: hooks wait for each transaction."""

MANY_WRITERS = TransactionLimits(2, 0.05, 0.25)
"""PostgreSQL: hooks wait for no transaction, and each takes twenty round trips."""


class Throttle:
    """A credit of seconds, earned by idle time and spent by work. `busy`: returns the processor time of this
    process in seconds.
    """

    def __init__(self, busy: Callable[[], float], limits: TransactionLimits = ONE_WRITER) -> None:
        self._busy = busy
        self._limits = limits
        self._credit_s = _MOST_S
        self._looked: tuple[float, float] | None = None
        self._committing_s = self._working_s = 0.0
        self._busy_until = 0.0
        self._turns = asyncio.Semaphore(limits.at_once)

    @property
    def is_busy(self) -> bool:
        """Return whether hooks are coming in."""
        return _now() < self._busy_until

    @property
    def length_s(self) -> float:
        """Return the length of a transaction that begins now, in seconds."""
        return self._limits.busy_s if self.is_busy else self._limits.idle_s

    def note_commit(self, seconds: float) -> None:
        """Count the seconds of a commit of hooks."""
        self._committing_s += seconds
        self._credit_s += SHARE * seconds
        self._busy_until = _now() + _BUSY_S

    @asynccontextmanager
    async def turn(self, stop: asyncio.Event) -> AsyncIterator[None]:
        """Wait until work is allowed; after `stop` it always is."""
        async with self._turns:
            while not (stop.is_set() or self.allows()):  # noqa: ASYNC110 - idle time is no event
                await asyncio.sleep(_LULL_S)
            began = _now()
            try:
                yield
            finally:
                self.note_work(_now() - began)

    def note_work(self, seconds: float) -> None:
        """Count the seconds of a piece of background work."""
        self._working_s += seconds
        self._credit_s -= seconds

    def allows(self) -> bool:
        """Return whether work is allowed: if there is credit, or no hooks come in."""
        now = _now(), self._busy()
        wall, busy = (later - earlier for later, earlier in zip(now, self._looked or now, strict=True))
        idle = max(0.0, wall * (1 - _NEVER_BUSY) - max(busy, self._committing_s + self._working_s))
        # A commit is counted when it ends, which on a slow disk may be after several checks.
        self._committing_s = max(0.0, self._committing_s - wall)
        self._looked, self._working_s = now, 0.0
        self._credit_s = min(self._credit_s + _GAIN * idle, _MOST_S)
        return self._credit_s > 0 or not self.is_busy


class BatchSize:
    """Number of items in one transaction, learned from the duration of the last ones. `least`, `most`:
    bounds.
    """

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most
        self._item_s = 0.0

    def within(self, seconds: float) -> int:
        """Return the number of items for a transaction of this length."""
        if not self._item_s:
            return self._least
        return max(self._least, min(self._most, int(seconds / self._item_s)))

    def note(self, items: int, seconds: float) -> None:
        """Learn from a transaction: its number of items and its seconds."""
        if items:
            self._item_s += 0.2 * (seconds / items - self._item_s)


def _now() -> float:
    return asyncio.get_running_loop().time()
