"""Time as a part that is handed in: seconds since the epoch (UTC), and sleeping in the same seconds."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What the rest of the package knows of time."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds of this clock."""

    def real(self, seconds: float) -> float:
        """So many seconds of this clock, in seconds of the machine: for time-outs that the machine keeps."""


class WallClock:
    """The machine's clock; from `origin` (epoch seconds) on it runs `speed` times as fast.

    Two processes with the same speed and origin read the same time: an accelerated emulator needs that.
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
