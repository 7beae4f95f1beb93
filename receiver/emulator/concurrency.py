"""The concurrency limit of a queue: some tasks call at the same time, none while the queue is off."""

import asyncio
from heapq import heappop, heappush

from receiver.emulator.records import DELAYED_CONCURRENT, Queue, Task


class ConcurrencyLimit:
    """Admits the tasks of a queue, the longest due first."""

    def __init__(self, queue: Queue, later_revision: bool) -> None:
        self._queue = queue
        self._later_revision = later_revision
        self._inside = 0
        self._waiting: list[tuple[float, int, Task, asyncio.Future[None]]] = []

    async def enter(self, task: Task, due: float) -> None:
        """Wait for admission. Call `leave` afterwards."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (due, task.id, task, turn))
        self.admit()
        if not turn.done() and self._later_revision and self._queue.status == "on":
            task.status = DELAYED_CONCURRENT
        try:
            await turn
        except asyncio.CancelledError:
            # Race: the task was admitted and withdrawn in the same turn of the loop.
            if turn.done() and not turn.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        self._inside -= 1
        self.admit()

    def admit(self) -> None:
        """Admit waiting tasks up to the limit. Call this after every change of the queue."""
        while self._waiting and self._queue.status == "on" and self._inside < self._queue.limit:
            *_, turn = heappop(self._waiting)
            if not turn.done():
                self._inside += 1
                turn.set_result(None)
