"""Tasks over whose fold the store has failed, in memory: others go first for a while, since the task may be
the reason. Nothing is set aside for it, and nothing is written down.
"""

from dataclasses import dataclass

from receiver.ledger.dirty import DirtyTask

_FIRST_S, _LONGEST_S = 2.0, 300.0
"""Seconds for which a task is postponed; doubled with each further failure while others are folded."""

_MOST = 1_000
"""Tasks that are remembered."""


@dataclass(slots=True)
class _Wait:
    until: float
    seconds: float


class Postponed:
    """Seconds are the event loop's."""

    def __init__(self) -> None:
        self._waits: dict[DirtyTask, _Wait] = {}

    def add(self, task: DirtyTask, now: float, *, is_only: bool) -> None:
        """The store has failed over it, and not over others if `is_only`."""
        wait = self._waits.pop(task, None)
        seconds = min(wait.seconds * 2, _LONGEST_S) if wait and is_only else _FIRST_S
        if len(self._waits) == _MOST:
            del self._waits[next(iter(self._waits))]
        self._waits[task] = _Wait(now + seconds, seconds)

    def forget_past(self, now: float) -> None:
        """What need not wait any more is folded."""
        for task in [task for task, wait in self._waits.items() if wait.until <= now]:
            del self._waits[task]

    def clear(self) -> None:
        """Nothing is postponed any more."""
        self._waits.clear()

    def now(self, now: float) -> frozenset[DirtyTask]:
        """Those that are to wait still."""
        if not self._waits:
            return frozenset()
        return frozenset(task for task, wait in self._waits.items() if wait.until > now)
