"""An event loop in virtual time: when nothing is ready it does not wait, it moves its clock."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")
MONDAY_NOON = 1_772_452_800.0
"""2026-03-02 12:00:00 UTC."""


class _Selector(selectors.SelectSelector):
    """Never blocks: a time-out passes at once on the loop's clock."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("everybody waits and nothing will ever happen")
        if not ready:
            self.passed += timeout or 0.0
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.passed


class VirtualClock:
    """The running loop's time, as epoch seconds from `origin` on."""

    def __init__(self, origin: float = MONDAY_NOON) -> None:
        self._origin = origin

    def now(self) -> float:
        return self._origin + asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run(main: Coroutine[Any, Any, Result]) -> Result:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
