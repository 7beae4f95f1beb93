"""The level of the inbox as an intake sees it whose hooks other receivers read."""

import asyncio
from contextlib import suppress

from receiver.errors import StoreUnavailableError
from receiver.inbox.inbox import Inbox
from receiver.runtime.clock import Clock
from receiver.runtime.workers import pause

_EVERY_S = 1.0
"""Seconds between two measurements: hooks of a second must fit behind the limits."""


class LevelWatch:
    """Measures the inbox again and again, so that the intake knows when it is full, and when no more."""

    name = "inbox_level"

    def __init__(self, inbox: Inbox, clock: Clock) -> None:
        self._inbox = inbox
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Measure until `stop` is set."""
        while not stop.is_set():
            with suppress(StoreUnavailableError):
                await self._inbox.measure()
            await pause(self._clock, _EVERY_S, stop)
