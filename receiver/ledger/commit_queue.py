"""Group commit: submissions wait in a queue and are committed together.

There is no delay timer: while one batch commits, the next one gathers. The owner of a queue takes batches,
commits them, and settles their items:

    async for batch, late in queue.batches(stop, turn): ...
"""

import asyncio
from collections.abc import AsyncGenerator
from itertools import takewhile
from typing import Generic, Protocol, TypeVar

from receiver.errors import StoreUnavailableError

MAX_WAITING = 10_000
MAX_WAITING_BYTES = 64 * 2**20
"""Submissions, and their bytes, that wait for a commit before new ones are refused."""

MAX_BATCH = 512
MAX_BATCH_BYTES = 8 * 2**20
"""Submissions, and their bytes, in one transaction."""

_WHOLE = 32
"""Submissions that are committed together even if another process commits them."""

MAX_WAIT_S = 10.0
"""Seconds after which a waiting submission is too late: its sender has given up, or soon will."""

TOO_LATE = "the store is too slow: the wait for a commit was given up"
"""Text of the error with which a late submission is rejected."""

_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 0.05, 2.0
"""Seconds for which nothing is admitted after a second failure in a row; doubled with each further one."""


class Submission(Protocol):
    """Something that waits for its commit. `size`: bytes, roughly; `since`: by the loop's clock."""

    size: int
    since: float


Item = TypeVar("Item", bound=Submission)


class CommitQueue(Generic[Item]):
    """Submissions in order of arrival, bounded in number and bytes. `in_halves`: take only half of many
    submissions, so that there is work to do while another process commits.
    """

    def __init__(self, *, in_halves: bool = False) -> None:
        self._in_halves = in_halves
        self._wake = asyncio.Event()
        self._waiting: list[Item] = []
        self._bytes = 0
        self._failures = 0
        self._closed_until = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, item: Item) -> None:
        """Queue a submission. Raises StoreUnavailableError if too many wait, or the store keeps failing."""
        if self._closed_until and _now() < self._closed_until:
            raise StoreUnavailableError("the store has failed time and again; try later")
        if len(self._waiting) >= MAX_WAITING or self._bytes > MAX_WAITING_BYTES:
            raise StoreUnavailableError("too many submissions wait for the store")
        if not self._waiting:
            self._wake.set()
        self._waiting.append(item)
        self._bytes += item.size

    async def batches(
        self, stop: asyncio.Event, turn: asyncio.Lock
    ) -> AsyncGenerator[tuple[list[Item], list[Item]], None]:
        """Yield the next batch and the items that are too late, until `stop` is set and the queue is empty.
        `turn` is held while a batch is out: items that would only wait for other writers can still be
        rejected.
        """
        stopping = asyncio.ensure_future(stop.wait())
        stopping.add_done_callback(lambda _: self._wake.set())
        try:
            while self._waiting or not stop.is_set():
                if self._waiting:
                    async with turn:
                        if self._waiting:
                            yield self._next_batch()
                else:
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            stopping.cancel()

    def _next_batch(self) -> tuple[list[Item], list[Item]]:
        waiting, latest = self._waiting, _now() - MAX_WAIT_S
        late = sum(1 for _ in takewhile(lambda item: item.since < latest, waiting))
        count = min(len(waiting) - late, MAX_BATCH)
        if self._in_halves:
            count = max(min(count, _WHOLE), count // 2)
        size, end = 0, late
        for end in range(late, late + count):
            size += waiting[end].size
            if size > MAX_BATCH_BYTES and end > late:
                break
        else:
            end = late + count
        self._bytes -= sum(item.size for item in waiting[:end])
        self._waiting = waiting[end:]
        return waiting[late:end], waiting[:late]

    def take_all(self) -> list[Item]:
        """Take everything that waits, to be rejected."""
        taken, self._waiting, self._bytes = self._waiting, [], 0
        return taken

    def note_commit(self) -> None:
        """The store has committed a batch."""
        self._failures = 0

    def note_failure(self) -> None:
        """The store has failed: after a second failure in a row no submission is admitted for a while."""
        pause = min(_FIRST_BACKOFF_S * 2.0**self._failures, _LONGEST_BACKOFF_S)
        self._closed_until = _now() + pause if self._failures else 0.0
        self._failures = min(self._failures + 1, 10)


def _now() -> float:
    return asyncio.get_running_loop().time()
