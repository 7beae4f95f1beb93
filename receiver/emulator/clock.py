"""Emulated time: seconds since the epoch (UTC), and the date formats of the API."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The emulator's time."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""

    async def sleep(self, seconds: float) -> None:
        """Wait for seconds of this clock."""


class WallClock:
    """The machine's clock, `speed` times as fast from `origin` (epoch seconds; default: now)."""

    def __init__(self, speed: float = 1.0, origin: float | None = None) -> None:
        self.speed = speed
        self.origin = time.time() if origin is None else origin

    def now(self) -> float:
        return self.origin + (time.time() - self.origin) * self.speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self.speed)


async def sleep_until(clock: Clock, at: float) -> None:
    """Wait until the clock reads `at`. It loops, as timers may fire slightly early."""
    while (left := at - clock.now()) > 0:
        await clock.sleep(left)


def date_time(at: float) -> str:
    """Return a time as `YYYY-MM-DD HH:MM:SS`, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def exact_time(at: float) -> str:
    """Return a time as `YYYY-MM-DD HH:MM:SS.ff`, UTC, truncated to hundredths."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 10_000:02d}"


def parse_date_time(text: str) -> float:
    """Return the epoch seconds of `YYYY-MM-DD HH:MM:SS` (UTC). Raises ValueError."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
