"""Postponed tasks or batches, in memory: the store has failed while they were written, so others go first for
a while. They are not set aside, since the store may be the reason.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

_FIRST_S, _LONGEST_S = 2.0, 300.0
"""First and longest wait in seconds; doubled with each further failure while others succeed."""

_MOST = 1_000
"""Maximum number of postponed names."""

TOGETHER = 2
"""Failures of the store in a row after which tasks are written one by one, since one may be the reason."""

Name = TypeVar("Name", bound=Hashable)


@dataclass(slots=True)
class _Wait:
    until: float
    seconds: float


class Postponed(Generic[Name]):
    """Names with the time until which each waits, by the event loop's clock."""

    def __init__(self) -> None:
        self._waits: dict[Name, _Wait] = {}

    def add(self, name: Name, now: float, *, is_only: bool) -> None:
        """Postpone a name. `is_only`: the store did not fail over others."""
        wait = self._waits.pop(name, None)
        seconds = min(wait.seconds * 2, _LONGEST_S) if wait and is_only else _FIRST_S
        if len(self._waits) == _MOST:
            del self._waits[next(iter(self._waits))]
        self._waits[name] = _Wait(now + seconds, seconds)

    def forget_past(self, now: float) -> None:
        """Forget names whose wait is over."""
        for name in [name for name, wait in self._waits.items() if wait.until <= now]:
            del self._waits[name]

    def clear(self) -> None:
        """Forget all names."""
        self._waits.clear()

    def now(self, now: float) -> frozenset[Name]:
        """Return the names that still wait."""
        if not self._waits:
            return frozenset()
        return frozenset(name for name, wait in self._waits.items() if wait.until > now)
