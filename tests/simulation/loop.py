"""Virtual time for the whole world: the store's work is done in the loop, where no thread races the clock."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, TypeVar

from receiver.clock import Clock
from tests.emulator.virtual import VirtualClock, VirtualLoop

Result = TypeVar("Result")
SLOW_S = 0.2
"""Seconds from which on a piece of work is a slow one."""

Probe = Callable[[str, float], None]
"""Told of each piece of work, `before` and `after` it is done, and of the seconds that it took; nobody else
knows of it yet.
"""


class InlineLoop(VirtualLoop):
    """An executor's work takes a moment, now and then a long one, and is done in the order it came in.

    What waits for an executor is not done any more once its caller has been cancelled.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.probe: Probe = lambda _, __: None
        self._rng = Random(f"loop:{seed}")
        self._free_at: defaultdict[object, float] = defaultdict(float)

    @staticmethod
    def current() -> "InlineLoop":
        loop = asyncio.get_running_loop()
        assert isinstance(loop, InlineLoop)
        return loop

    def run_in_executor(  # type: ignore[override]
        self, executor: object, work: Callable[..., Result], *args: Any
    ) -> asyncio.Future[Result]:
        future: asyncio.Future[Result] = self.create_future()
        least, most = (SLOW_S, 10 * SLOW_S) if self._rng.random() < 0.01 else (0.001, 0.01)
        took = self._rng.uniform(least, most)
        at = self._free_at[executor] = max(self.time(), self._free_at[executor]) + took
        self.call_at(at, self._do, future, took, lambda: work(*args))
        return future

    def _do(self, future: asyncio.Future[Result], took: float, work: Callable[[], Result]) -> None:
        self.probe("before", took)
        if future.done():
            return
        try:
            result = work()
        except Exception as error:
            self.call_later(0.001, _fail, future, error)
        else:
            self.call_later(0.001, _tell, future, result)
        self.probe("after", took)


def _tell(future: asyncio.Future[Result], result: Result) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


class SimulatedClock(VirtualClock, Clock):
    """The loop's time for the receiver as well, whose time-outs it keeps too."""

    def real(self, seconds: float) -> float:
        return seconds


def run(main: Coroutine[Any, Any, Result], seed: int = 0) -> Result:
    """Run to the end in virtual time."""
    with asyncio.Runner(loop_factory=lambda: InlineLoop(seed)) as runner:
        return runner.run(main)
