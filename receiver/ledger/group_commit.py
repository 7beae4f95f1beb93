"""Group commit: what waits is committed together.

Callers append to a line and wait; one loop takes the line, has it committed in a thread of the store and
answers every caller. There is no delay timer: while one batch commits, the next gathers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import structlog

from receiver.errors import StoreUnavailableError
from receiver.ledger.line import Line, Waiting, settle
from receiver.metrics import Metrics

_log = structlog.get_logger("receiver.ledger")

_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 0.05, 2.0
"""Once the store has failed, callers are turned away for so long; doubled with each failure in a row."""

Item = TypeVar("Item")
Commit = Callable[[Sequence[Item]], Awaitable[None]]
Trouble = Callable[[StoreUnavailableError, float], None]
"""Told what the store said, and after how many seconds."""


class GroupCommit(Generic[Item]):
    """`commit`: one transaction for all that it is given. `turn`: held while it commits, by all who have to
    wait for each other anyway: so they wait in their lines, where they can be turned away. `trouble`: told
    when the store fails. `run()` must be running, or nobody is answered.
    """

    def __init__(self, commit: Commit[Item], metrics: Metrics, turn: asyncio.Lock, trouble: Trouble) -> None:
        self._commit = commit
        self._metrics = metrics
        self._turn = turn
        self._trouble = trouble
        self._wake = asyncio.Event()
        self._line: Line[Item] = Line(self._wake)
        self._failures = 0
        self._closed_until = 0.0

    def join(self, item: Item, size: int) -> asyncio.Future[None]:
        """What to wait for: done once the item is on disk. `size`: bytes, roughly.

        Raises StoreUnavailableError, here or there, where it should be tried again later; StoreError where it
        is this very item that the store does not take.
        """
        if self._closed_until and _now() < self._closed_until:
            raise StoreUnavailableError("the store has failed time and again; try later")
        return self._line.join(item, size)

    async def run(self, stop: asyncio.Event) -> None:
        """Commit what waits until `stop` is set and nobody waits any more."""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._wake.set())
        try:
            while True:
                if self._line:
                    await self._take_turn()
                elif stop.is_set():
                    return
                else:
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            stopping.cancel()
            self._line.turn_away(StoreUnavailableError("the receiver is stopping"))

    def turn_away(self, error: StoreUnavailableError) -> None:
        """Nobody waits any more."""
        self._line.turn_away(error)

    async def _take_turn(self) -> None:
        async with self._turn:
            if batch := self._line.take():
                await self._settle(batch)

    async def _settle(self, batch: list[Waiting[Item]]) -> None:
        """Commit and answer all of them."""
        began = _now()
        try:
            await self._attempt(batch)
        except asyncio.CancelledError:
            settle(batch, StoreUnavailableError("the receiver is stopping"))
            raise
        self._metrics.intake_batch_size.observe(len(batch))
        self._metrics.intake_wait.observe(began - batch[0].since)
        self._metrics.intake_commit.observe(_now() - began)

    async def _attempt(self, batch: list[Waiting[Item]]) -> StoreUnavailableError | None:
        """One transaction for all; where rows are at fault, each by itself: one takes no neighbour down.
        Returns the trouble of the store that nobody of the batch got past.
        """
        began = _now()
        try:
            await self._commit([each.item for each in batch])
        except StoreUnavailableError as error:
            _log.error("store unavailable", turned_away=len(batch), problem=str(error))
            settle(batch, error)
            self._back_off()
            self._trouble(error, _now() - began)
            return error
        except Exception as error:
            if len(batch) > 1:
                return await self._attempt_each(batch)
            settle(batch, error)
        else:
            self._failures = 0
            settle(batch, None)
        return None

    async def _attempt_each(self, batch: list[Waiting[Item]]) -> StoreUnavailableError | None:
        """One by one, but once the store is in trouble no more: each would wait for it as long."""
        for number, each in enumerate(batch):
            if trouble := await self._attempt([each]):
                settle(batch[number:], trouble)
                return trouble
        return None

    def _back_off(self) -> None:
        """After a second failure in a row nobody is let in for a while."""
        pause = min(_FIRST_BACKOFF_S * 2.0**self._failures, _LONGEST_BACKOFF_S)
        self._closed_until = _now() + pause if self._failures else 0.0
        self._failures = min(self._failures + 1, 10)


def _now() -> float:
    return asyncio.get_running_loop().time()
