"""Group commit: submissions wait in a queue and are committed together.

There is no delay timer: while one batch commits, the next gathers. A loop of the caller takes the batches and
settles what was in them:

    async for batch in queue.batches(stop, turn):
        settle(batch, await commit(batch))
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
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
"""Submissions that are not worth to be halved."""

MAX_WAIT_S = 10.0
"""Seconds after which a submission that still waits is rejected: its sender has given up, or soon will."""

_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 0.05, 2.0
"""Seconds for which nothing is admitted after a second failure in a row; doubled with each further one."""


class Submission(Protocol):
    """Something that waits for its commit. `size`: bytes, roughly; `since`: by the loop's clock."""

    @property
    def size(self) -> int: ...
    @property
    def since(self) -> float: ...
    def settle(self, problem: Exception | None) -> None:
        """Called once: it is on disk, or it is not because of `problem`."""


Item = TypeVar("Item", bound=Submission)


class CommitQueue(Generic[Item]):
    """Submissions in order of arrival, bounded in number and bytes. `in_halves`: where many wait, half of
    them are one batch, so that there is something to answer and to take in while another process commits.
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
        """Let it wait. Raises StoreUnavailableError where too much waits already, or the store fails."""
        if self._closed_until and _now() < self._closed_until:
            raise StoreUnavailableError("the store has failed time and again; try later")
        if len(self._waiting) >= MAX_WAITING or self._bytes > MAX_WAITING_BYTES:
            raise StoreUnavailableError("too many submissions wait for the store")
        if not self._waiting:
            self._wake.set()
        self._waiting.append(item)
        self._bytes += item.size

    async def batches(self, stop: asyncio.Event, turn: asyncio.Lock) -> AsyncGenerator[list[Item]]:
        """Yield batches until `stop` is set and nothing waits. `turn` is held while a batch is out: who
        commits has to wait for others anyway, and what waits in the queue can still be rejected.
        """
        stopping = asyncio.ensure_future(stop.wait())
        stopping.add_done_callback(lambda _: self._wake.set())
        try:
            while self._waiting or not stop.is_set():
                if self._waiting:
                    async with turn:
                        if batch := self._next_batch():
                            yield batch
                else:
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            stopping.cancel()
            self.reject(StoreUnavailableError("the receiver is stopping"))

    def _next_batch(self) -> list[Item]:
        """Take the next batch. What has waited too long is rejected; who left is committed all the same."""
        latest = _now() - MAX_WAIT_S
        late = sum(1 for _ in takewhile(lambda item: item.since < latest, self._waiting))
        if late:
            text = "the store is too slow: the wait for a commit was given up"
            settle(self._pop(late), StoreUnavailableError(text))
        return self._pop(self._batch_length())

    def reject(self, problem: Exception) -> None:
        """Settle everything that waits as failed."""
        settle(self._pop(len(self._waiting)), problem)

    def note_commit(self) -> None:
        """The store has committed a batch."""
        self._failures = 0

    def note_failure(self) -> None:
        """The store has failed: after the second time in a row nothing is admitted for a while."""
        pause = min(_FIRST_BACKOFF_S * 2.0**self._failures, _LONGEST_BACKOFF_S)
        self._closed_until = _now() + pause if self._failures else 0.0
        self._failures = min(self._failures + 1, 10)

    def _batch_length(self) -> int:
        size, most = 0, min(len(self._waiting), MAX_BATCH)
        if self._in_halves:
            most = max(min(most, _WHOLE), most // 2)
        for number, item in enumerate(self._waiting[:most]):
            size += item.size
            if size > MAX_BATCH_BYTES and number:
                return number
        return most

    def _pop(self, number: int) -> list[Item]:
        taken, self._waiting = self._waiting[:number], self._waiting[number:]
        self._bytes -= sum(item.size for item in taken)
        return taken


def settle(items: Sequence[Submission], problem: Exception | None) -> None:
    """Settle all of them alike."""
    for item in items:
        item.settle(problem)


def _now() -> float:
    return asyncio.get_running_loop().time()
