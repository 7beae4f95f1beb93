"""Changes that many readers wait for, each at its own pace."""

import asyncio
from collections import deque

_KEPT = 200
"""Changes that are kept. A reader that lags further behind knows only that something has changed."""

Tasks = frozenset[str]
"""Tasks as `ACCOUNT/KEY`."""


class Changes:
    """Numbered changes. `number`: of the last one."""

    def __init__(self) -> None:
        self.number = 0
        self._recent: deque[tuple[int, Tasks | None]] = deque(maxlen=_KEPT)
        self._next = asyncio.Event()

    def add(self, tasks: Tasks | None) -> None:
        """Add a change of these tasks and wake all readers. None: it is not known which tasks changed."""
        self.number += 1
        self._recent.append((self.number, tasks))
        self.wake()

    def wake(self) -> None:
        """Wake all readers, without a change."""
        woken, self._next = self._next, asyncio.Event()
        woken.set()

    async def wait(self, seen: int, timeout_s: float) -> None:
        """Return once there is a change after the number `seen`, after `wake`, or after some seconds."""
        if self.number > seen:
            return
        try:
            await asyncio.wait_for(self._next.wait(), timeout_s)
        except TimeoutError:
            return

    def since(self, seen: int) -> Tasks | None:
        """Return the tasks that changed after the number `seen`; None if they are not known."""
        if self.number - seen > len(self._recent):
            return None
        changed = [tasks for number, tasks in self._recent if number > seen]
        known = [tasks for tasks in changed if tasks is not None]
        return frozenset().union(*known) if len(known) == len(changed) else None
