"""When to fold: hooks come first, so folding takes the time that nothing else needs, and a small share of the
rest.
"""

import asyncio
from collections.abc import Callable

SHARE = 0.05
"""However busy it is, folding gets so much of the time that commits take."""

_GAIN, _NEVER_BUSY = 4.0, 0.1
"""Seconds of folding for each second in which neither the processor nor the store was busy. At its busiest a
receiver still waits for disk and network in a tenth of the time, which therefore does not count.
"""

_MOST_S = 0.05
"""Credit does not grow beyond this: idle hours are not to be folded back in one go."""


class Pace:
    """A credit of seconds, earned by idle time and spent by folding. `busy`: the processor time that this
    process has used, seconds.
    """

    def __init__(self, busy: Callable[[], float]) -> None:
        self._busy = busy
        self._credit_s = _MOST_S
        self._looked: tuple[float, float] | None = None
        self._committing_s = 0.0

    def note_commit(self, seconds: float) -> None:
        """A commit of hooks took so long."""
        self._committing_s += seconds
        self._credit_s += SHARE * seconds

    def note_fold(self, seconds: float) -> None:
        """Folding took so long."""
        self._committing_s += seconds
        self._credit_s -= seconds

    def allows(self) -> bool:
        """Whether it is time to fold."""
        now = asyncio.get_running_loop().time(), self._busy()
        wall, busy = (later - earlier for later, earlier in zip(now, self._looked or now, strict=True))
        idle = max(0.0, wall * (1 - _NEVER_BUSY) - max(busy, self._committing_s))
        self._looked, self._committing_s = now, 0.0
        self._credit_s = min(self._credit_s + _GAIN * idle, _MOST_S)
        return self._credit_s > 0
