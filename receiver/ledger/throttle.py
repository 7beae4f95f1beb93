"""When background work may run: hooks come first, so reading and folding take the time that nothing else
needs, and a small share of the rest.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

SHARE = 0.05
"""Seconds of background work for each second of commits, however busy the receiver is."""

_GAIN, _NEVER_BUSY = 4.0, 0.1
"""Seconds of background work for each second in which neither the processor nor the store was busy. At its
busiest a receiver still waits for disk and network in a tenth of the time, which therefore does not count.
"""

_MOST_S = 0.05
"""The credit's limit in seconds: idle hours are not worked off in one go."""

_LULL_S = 0.002
"""Pause in seconds before the credit is looked at again."""

_BUSY_S = 0.05
"""Seconds after a commit of hooks in which more are expected."""


class Pace(NamedTuple):
    """How background work goes on. `at_once`: transactions at the same time; `busy_s`, `idle_s`: length of
    each in seconds while hooks come in, and while none do.
    """

    at_once: int
    busy_s: float
    idle_s: float


ONE_WRITER = Pace(1, 0.004, 0.05)
"""On SQLite: hooks wait for each transaction."""

MANY_WRITERS = Pace(2, 0.05, 0.25)
"""On PostgreSQL, which does the most of the work: hooks wait for none, and each has twenty round trips."""


class Throttle:
    """A credit of seconds, earned by idle time and spent by work. `busy`: the processor time that this
    process has used, in seconds.
    """

    def __init__(self, busy: Callable[[], float], pace: Pace = ONE_WRITER) -> None:
        self._busy = busy
        self._pace = pace
        self._credit_s = _MOST_S
        self._looked: tuple[float, float] | None = None
        self._committing_s = self._working_s = 0.0
        self._busy_until = 0.0
        self._turns = asyncio.Semaphore(pace.at_once)

    @property
    def is_busy(self) -> bool:
        """Whether hooks are coming in."""
        return _now() < self._busy_until

    @property
    def length_s(self) -> float:
        """Of a transaction that begins now, in seconds."""
        return self._pace.busy_s if self.is_busy else self._pace.idle_s

    def note_commit(self, seconds: float) -> None:
        """Count the seconds of a commit of hooks."""
        self._committing_s += seconds
        self._credit_s += SHARE * seconds
        self._busy_until = _now() + _BUSY_S

    @asynccontextmanager
    async def turn(self, stop: asyncio.Event) -> AsyncIterator[None]:
        """Wait until it is time for work; after `stop` it always is."""
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
        """Whether it is time for work: it is as soon as no hooks come in."""
        now = _now(), self._busy()
        wall, busy = (later - earlier for later, earlier in zip(now, self._looked or now, strict=True))
        idle = max(0.0, wall * (1 - _NEVER_BUSY) - max(busy, self._committing_s + self._working_s))
        # A commit is counted once it ends, but on a slow disk it takes longer than from one look to the next.
        self._committing_s = max(0.0, self._committing_s - wall)
        self._looked, self._working_s = now, 0.0
        self._credit_s = min(self._credit_s + _GAIN * idle, _MOST_S)
        return self._credit_s > 0 or not self.is_busy


class BatchSize:
    """How many items go into one transaction, learnt from how long the last ones took.

    `least`, `most`: bounds of the number.
    """

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most
        self._item_s = 0.0

    def within(self, seconds: float) -> int:
        """The number of items that a transaction of this length holds."""
        if not self._item_s:
            return self._least
        return max(self._least, min(self._most, int(seconds / self._item_s)))

    def note(self, items: int, seconds: float) -> None:
        """Learn from a transaction: its number of items and its seconds."""
        if items:
            self._item_s += 0.2 * (seconds / items - self._item_s)


def _now() -> float:
    return asyncio.get_running_loop().time()
