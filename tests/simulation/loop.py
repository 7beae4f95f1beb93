"""Virtual time for the whole world: the store's work is done in the loop, where no thread races the clock."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, TypeVar

from receiver.clock import Clock
from tests.emulator.virtual import VirtualClock, VirtualLoop

Result = TypeVar("Result")


class InlineLoop(VirtualLoop):
    """Runs an executor's work at once and tells the result a little later, so that others come in between.

    Who is torn down in that moment has committed and never hears of it.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._rng = Random(f"loop:{seed}")
        self._works = 0
        self._watched: list[tuple[int, asyncio.Future[None]]] = []

    @staticmethod
    def current() -> "InlineLoop":
        loop = asyncio.get_running_loop()
        assert isinstance(loop, InlineLoop)
        return loop

    async def works(self, count: int) -> None:
        """Return when the store has worked so often again, before the last one's result is told."""
        future = self.create_future()
        self._watched.append((self._works + count, future))
        await future

    def run_in_executor(  # type: ignore[override]
        self, _executor: object, work: Callable[..., Result], *args: Any
    ) -> asyncio.Future[Result]:
        future: asyncio.Future[Result] = self.create_future()
        try:
            result = work(*args)
        except Exception as error:
            self.call_later(self._rng.uniform(0.001, 0.01), _fail, future, error)
        else:
            self.call_later(self._rng.uniform(0.001, 0.01), _tell, future, result)
        self._count()
        return future

    def _count(self) -> None:
        self._works += 1
        for at, watcher in self._watched:
            if at == self._works:
                watcher.set_result(None)
        self._watched = [pair for pair in self._watched if pair[0] > self._works]


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
