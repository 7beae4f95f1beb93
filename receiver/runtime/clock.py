"""Clocks: seconds since the epoch (UTC), and sleeping in the same seconds."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """The package's interface to time."""

    def now(self) -> float:
        """Return the seconds since the epoch, UTC."""

    async def sleep(self, seconds: float) -> None:
        """Wait for seconds of this clock."""

    def real(self, seconds: float) -> float:
        """Convert seconds of this clock to seconds of the machine, for timeouts of the event loop."""


class WallClock:
    """The machine's clock, `speed` times as fast from `origin` (epoch seconds).

    Processes with the same speed and origin have the same time, as an accelerated emulator requires.
    """

    def __init__(self, speed: float = 1.0, origin: float = 0.0) -> None:
        self.speed = speed
        self.origin = origin

    def now(self) -> float:
        return self.origin + (time.time() - self.origin) * self.speed if self.speed != 1.0 else time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self.speed)

    def real(self, seconds: float) -> float:
        return seconds / self.speed
