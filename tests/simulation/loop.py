"""Virtual time for the whole world: the store's work is done in the loop, where no thread races the clock."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, TypeVar

from receiver.runtime.clock import Clock
from tests.emulator.virtual import VirtualClock, VirtualLoop

Result = TypeVar("Result")


class InlineLoop(VirtualLoop):
    """An executor's work takes a moment, now and then a long one, and is done in the order it came in.

    What waits for an executor is not done any more once its caller has been cancelled.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._rng = Random(f"loop:{seed}")
        self._free_at: defaultdict[object, float] = defaultdict(float)

    def run_in_executor(  # type: ignore[override]
        self, executor: object, work: Callable[..., Result], *args: Any
    ) -> asyncio.Future[Result]:
        future: asyncio.Future[Result] = self.create_future()
        least, most = (0.2, 2.0) if self._rng.random() < 0.01 else (0.001, 0.01)
        began = max(self.time(), self._free_at[executor])
        self._free_at[executor] = began + self._rng.uniform(least, most)
        self.call_at(self._free_at[executor], _do, future, lambda: work(*args))
        return future


def _do(future: asyncio.Future[Result], work: Callable[[], Result]) -> None:
    if future.done():
        return
    try:
        result = work()
    except Exception as error:
        if not future.done():  # its caller may die over the work
            future.set_exception(error)
    else:
        if not future.done():
            future.set_result(result)


class SimulatedClock(VirtualClock, Clock):
    """The loop's time for the receiver as well, whose time-outs it keeps too."""

    def real(self, seconds: float) -> float:
        return seconds


def run(main: Coroutine[Any, Any, Result], seed: int = 0) -> Result:
    """Run to the end in virtual time."""
    with asyncio.Runner(loop_factory=lambda: InlineLoop(seed)) as runner:
        return runner.run(main)
