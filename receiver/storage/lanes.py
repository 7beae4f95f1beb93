"""Reads beside the writer, in lanes: those of one kind never wait for those of another, since each kind has
threads, and so connections, of its own.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeVar

from receiver.errors import TooManyReadsError

Result = TypeVar("Result")

Lane = Literal["work", "request", "heavy", "export"]
"""Of background work; of requests that are answered at once; of requests that read much; of exports, which
read a chunk at a time.
"""


@dataclass(frozen=True, slots=True)
class LaneRules:
    """`threads`: reads at the same time. `limit_s`: seconds after which one is given up, None: as the
    connection has it. `most_waiting`: reads that wait for a thread, None: any number.
    """

    threads: int
    limit_s: float | None = None
    most_waiting: int | None = None

    def admit(self, taken: int) -> None:
        """Raise TooManyReadsError if no other read may wait beside `taken` that run or wait."""
        if self.most_waiting is not None and taken >= self.threads + self.most_waiting:
            raise TooManyReadsError(f"{self.most_waiting} heavy reads wait already")


LANES: Mapping[Lane, LaneRules] = {
    "work": LaneRules(3),
    "request": LaneRules(2),
    "heavy": LaneRules(2, limit_s=30.0, most_waiting=16),
    "export": LaneRules(1, limit_s=30.0),
}

READERS = sum(rules.threads for rules in LANES.values())
"""Connections that read."""


class LaneThreads:
    """The threads of one lane. For one event loop."""

    def __init__(self, name: Lane) -> None:
        self.rules = LANES[name]
        self._pool = ThreadPoolExecutor(self.rules.threads, thread_name_prefix=f"store-{name}")
        self._taken = 0

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run it once a thread is free. Raises TooManyReadsError, and what it raises."""
        self.rules.admit(self._taken)
        self._taken += 1
        running = asyncio.get_running_loop().run_in_executor(self._pool, work)
        running.add_done_callback(self._leave)
        # Who goes away leaves its place only once the thread is free again.
        return await asyncio.shield(running)

    def _leave(self, running: "asyncio.Future[Result]") -> None:
        self._taken -= 1
        if not running.cancelled():
            running.exception()  # seen, also where who asked has gone

    def close(self) -> None:
        """Finish what is running; what waits is never run."""
        self._pool.shutdown(cancel_futures=True)
