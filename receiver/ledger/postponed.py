"""Tasks, or batches of hooks, over which the store has failed, in memory: others go first for a while, since
the task may be the reason. Nothing is set aside for it, and nothing is written down.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

_FIRST_S, _LONGEST_S = 2.0, 300.0
"""Seconds for which one is postponed; doubled with each further failure while others are done."""

_MOST = 1_000
"""Names that are remembered."""

TOGETHER = 2
"""Failures of the store in a row after which things are done one by one: one of them may be the reason."""

Name = TypeVar("Name", bound=Hashable)


@dataclass(slots=True)
class _Wait:
    until: float
    seconds: float


class Postponed(Generic[Name]):
    """Seconds are the event loop's."""

    def __init__(self) -> None:
        self._waits: dict[Name, _Wait] = {}

    def add(self, name: Name, now: float, *, is_only: bool) -> None:
        """The store has failed over it, and not over others if `is_only`."""
        wait = self._waits.pop(name, None)
        seconds = min(wait.seconds * 2, _LONGEST_S) if wait and is_only else _FIRST_S
        if len(self._waits) == _MOST:
            del self._waits[next(iter(self._waits))]
        self._waits[name] = _Wait(now + seconds, seconds)

    def forget_past(self, now: float) -> None:
        """What need not wait any more is done."""
        for name in [name for name, wait in self._waits.items() if wait.until <= now]:
            del self._waits[name]

    def clear(self) -> None:
        """Nothing is postponed any more."""
        self._waits.clear()

    def now(self, now: float) -> frozenset[Name]:
        """Those that are to wait still."""
        if not self._waits:
            return frozenset()
        return frozenset(name for name, wait in self._waits.items() if wait.until > now)
