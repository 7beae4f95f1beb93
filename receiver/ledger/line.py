"""Where callers wait for a commit: bounded in number and bytes, taken in batches, answered one by one."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Generic, TypeVar

from receiver.errors import StoreUnavailableError

MAX_WAITING = 10_000
MAX_WAITING_BYTES = 64 * 2**20
"""So much may wait for a commit before new callers are turned away."""

MAX_BATCH = 512
MAX_BATCH_BYTES = 8 * 2**20
"""So much goes into one transaction."""

MAX_WAIT_S = 10.0
"""Whoever has waited so long for his turn is turned away: his sender has given up, or soon will."""

Item = TypeVar("Item")


@dataclass(slots=True)
class Waiting(Generic[Item]):
    """One caller. `size`: bytes, roughly; `since`: by the loop's clock."""

    item: Item
    size: int
    since: float
    done: asyncio.Future[None]


class Line(Generic[Item]):
    """Callers in order of arrival. Whoever commits is woken by the first."""

    def __init__(self, wake: asyncio.Event) -> None:
        self._wake = wake
        self._waiting: list[Waiting[Item]] = []
        self._bytes = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, item: Item, size: int) -> asyncio.Future[None]:
        """What to wait for. Raises StoreUnavailableError where too much waits already."""
        if len(self._waiting) >= MAX_WAITING or self._bytes > MAX_WAITING_BYTES:
            raise StoreUnavailableError("too many submissions wait for the store")
        # To be asked for the loop Python asks the system who we are, each time.
        loop = self._loop = self._loop or asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        if not self._waiting:
            self._wake.set()
        self._waiting.append(Waiting(item, size, loop.time(), done))
        self._bytes += size
        return done

    def take(self) -> list[Waiting[Item]]:
        """The next batch. Who has waited too long is turned away; what one who left handed in is kept."""
        latest = asyncio.get_running_loop().time() - MAX_WAIT_S
        late = sum(1 for _ in takewhile(lambda each: each.since < latest, self._waiting))
        if late:
            text = "the store is too slow: the wait for a commit was given up"
            settle(self._pop(late), StoreUnavailableError(text))
        return self._pop(self._batch())

    def turn_away(self, error: Exception) -> None:
        """Nobody waits any more."""
        settle(self._pop(len(self._waiting)), error)

    def _batch(self) -> int:
        """How many of those who wait go into one transaction."""
        size = 0
        for number, each in enumerate(self._waiting[:MAX_BATCH]):
            size += each.size
            if size > MAX_BATCH_BYTES and number:
                return number
        return min(len(self._waiting), MAX_BATCH)

    def _pop(self, number: int) -> list[Waiting[Item]]:
        some, self._waiting = self._waiting[:number], self._waiting[number:]
        self._bytes -= sum(each.size for each in some)
        return some


def settle(batch: Sequence[Waiting[Item]], error: Exception | None) -> None:
    """Give all of them their answer; None: it is on disk."""
    for each in batch:
        if each.done.done():
            continue
        if error is None:
            each.done.set_result(None)
        else:
            each.done.set_exception(error)
