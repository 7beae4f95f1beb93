"""Submissions that wait for a commit: bounded, taken in batches, and each settled once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from receiver.errors import StoreUnavailableError
from receiver.ledger import commit_queue
from receiver.ledger.commit_queue import CommitQueue

pytestmark = pytest.mark.anyio


class Item:
    """A submission. `answers`: how it was settled, once."""

    def __init__(self, name: int = 0, size: int = 100, age: float = 0.0) -> None:
        self.name, self.size = name, size
        self.since = asyncio.get_running_loop().time() - age
        self.answers: list[Exception | None] = []

    def settle(self, problem: Exception | None) -> None:
        self.answers.append(problem)

    @property
    def is_rejected(self) -> bool:
        (problem,) = self.answers
        return isinstance(problem, StoreUnavailableError)


class Consumer:
    """Takes batches until `stop`; each is settled once `go_on` is set."""

    def __init__(self, queue: CommitQueue[Item]) -> None:
        self.queue = queue
        self.stop, self.go_on = asyncio.Event(), asyncio.Event()
        self.turn = asyncio.Lock()
        self.batches: list[list[int]] = []

    async def run(self) -> None:
        try:
            async with aclosing(self.queue.batches(self.stop, self.turn)) as batches:
                async for batch, late in batches:
                    assert self.turn.locked()
                    settle(late, StoreUnavailableError("too late"))
                    if not batch:
                        continue
                    self.batches.append([item.name for item in batch])
                    await self.go_on.wait()
                    settle(batch, None)
        finally:
            self.reject(StoreUnavailableError("stopping"))

    def reject(self, problem: Exception) -> None:
        settle(self.queue.take_all(), problem)


def settle(items: list[Item], problem: Exception | None) -> None:
    for item in items:
        item.settle(problem)


@asynccontextmanager
async def consuming(queue: CommitQueue[Item], is_slow: bool = False) -> AsyncIterator[Consumer]:
    """A consumer that runs. `is_slow`: until `go_on` is set, it holds its first batch."""
    consumer = Consumer(queue)
    if not is_slow:
        consumer.go_on.set()
    running = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        consumer.stop.set()
        consumer.go_on.set()
        await asyncio.wait_for(running, 5)


def filled(count: int, **how: float) -> tuple[CommitQueue[Item], list[Item]]:
    """A queue in which these wait."""
    queue: CommitQueue[Item] = CommitQueue()
    items = [Item(number, **how) for number in range(count)]  # type: ignore[arg-type]
    for item in items:
        queue.add(item)
    return queue, items


async def turns() -> None:
    """Let everything happen that is ready to."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_waits_is_taken_in_order_together() -> None:
    queue, items = filled(3)
    async with consuming(queue) as consumer:
        await turns()
        assert consumer.batches == [[0, 1, 2]]
        queue.add(item := Item(3))
        await turns()
        assert consumer.batches == [[0, 1, 2], [3]]
    assert [each.answers for each in (*items, item)] == [[None]] * 4
    assert len(queue) == 0


async def test_while_one_batch_commits_the_next_gathers() -> None:
    queue, _ = filled(1)
    async with consuming(queue, is_slow=True) as consumer:
        await turns()
        for number in range(1, 4):
            queue.add(Item(number))
            await turns()
        assert consumer.batches == [[0]]
        consumer.go_on.set()
        await turns()
        assert consumer.batches == [[0], [1, 2, 3]]


@pytest.mark.parametrize(
    ("waiting", "taken"), [(5, [5]), (32, [32]), (40, [32, 8]), (64, [32, 32]), (100, [50, 32, 18])]
)
async def test_where_another_process_commits_many_are_taken_in_halves(waiting: int, taken: list[int]) -> None:
    queue: CommitQueue[Item] = CommitQueue(in_halves=True)
    for number in range(waiting):
        queue.add(Item(number))
    async with consuming(queue) as consumer:
        await turns()
    assert [len(batch) for batch in consumer.batches] == taken
    assert [name for batch in consumer.batches for name in batch] == list(range(waiting))


async def test_a_batch_is_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_queue, "MAX_BATCH", 2)
    queue, _ = filled(5)
    async with consuming(queue) as consumer:
        await turns()
        assert consumer.batches == [[0, 1], [2, 3], [4]]


async def test_a_batch_is_bounded_in_bytes_and_holds_at_least_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_queue, "MAX_BATCH_BYTES", 250)
    queue: CommitQueue[Item] = CommitQueue()
    for number, size in enumerate((100, 150, 1, 900, 100)):
        queue.add(Item(number, size))
    async with consuming(queue) as consumer:
        await turns()
        assert consumer.batches == [[0, 1], [2], [3], [4]]


async def test_no_more_than_a_number_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_queue, "MAX_WAITING", 3)
    queue, items = filled(3)
    refused = Item()
    with pytest.raises(StoreUnavailableError, match="too many"):
        queue.add(refused)
    async with consuming(queue) as consumer:
        await turns()
        queue.add(Item(9))
        await turns()
        assert consumer.batches == [[0, 1, 2], [9]]
    assert (refused.answers, [each.answers for each in items]) == ([], [[None]] * 3)


async def test_no_more_than_some_bytes_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_queue, "MAX_WAITING_BYTES", 100_000)
    queue, _ = filled(2, size=60_000)
    with pytest.raises(StoreUnavailableError, match="too many"):
        queue.add(Item())
    async with consuming(queue) as consumer:
        await turns()
        queue.add(Item(9, 60_000))
        queue.add(Item(10, 60_000))
        with pytest.raises(StoreUnavailableError):
            queue.add(Item())
        await turns()
        assert consumer.batches == [[0, 1], [9, 10]]


async def test_what_has_waited_too_long_is_rejected_and_nothing_else() -> None:
    queue: CommitQueue[Item] = CommitQueue()
    late = [Item(number, age=commit_queue.MAX_WAIT_S + 1) for number in range(2)]
    items = [Item(number) for number in range(2, 5)]
    for item in (*late, *items):
        queue.add(item)
    async with consuming(queue) as consumer:
        await turns()
        assert consumer.batches == [[2, 3, 4]]
    assert all(item.is_rejected for item in late)
    assert [item.answers for item in items] == [[None]] * 3
    assert len(queue) == 0


async def test_a_batch_in_which_all_have_waited_too_long_is_none() -> None:
    queue, items = filled(3, age=commit_queue.MAX_WAIT_S + 1)
    async with consuming(queue) as consumer:
        await turns()
        assert consumer.batches == []
        queue.add(Item(9))
        await turns()
        assert consumer.batches == [[9]]
    assert all(item.is_rejected for item in items)


async def test_to_reject_settles_all_that_waits_and_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_queue, "MAX_WAITING", 3)
    queue, items = filled(3)
    problem = StoreUnavailableError("the store is away")
    settle(queue.take_all(), problem)
    assert [item.answers for item in items] == [[problem]] * 3
    assert len(queue) == 0
    queue.add(Item(9))
    async with consuming(queue) as consumer:
        await turns()
        assert consumer.batches == [[9]]


async def test_a_batch_that_is_out_is_not_rejected() -> None:
    queue, items = filled(1)
    async with consuming(queue, is_slow=True) as consumer:
        await turns()
        queue.add(waiting := Item(1))
        consumer.reject(StoreUnavailableError("the store is away"))
        assert waiting.is_rejected
        assert items[0].answers == []
        consumer.go_on.set()
    assert items[0].answers == [None]


async def test_what_waits_for_its_turn_can_still_be_rejected() -> None:
    queue, items = filled(2)
    async with consuming(queue) as consumer:
        async with consumer.turn:
            await turns()
            assert consumer.batches == []
            consumer.reject(StoreUnavailableError("the store is away"))
        await turns()
        assert consumer.batches == []
    assert all(item.is_rejected for item in items)


async def test_after_the_second_failure_in_a_row_nothing_is_admitted_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(commit_queue, "_now", lambda: now)
    queue: CommitQueue[Item] = CommitQueue()

    def admits() -> bool:
        try:
            queue.add(Item())
        except StoreUnavailableError:
            return False
        return True

    queue.note_failure()
    assert admits(), "one failure may be this submission's alone"
    for pause in (0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0):
        queue.note_failure()
        assert not admits()
        now += pause - 0.01
        assert not admits()
        now += 0.02
        assert admits()
    queue.note_commit()
    queue.note_failure()
    assert admits()


async def test_to_stop_drains_what_waits() -> None:
    queue, items = filled(3)
    async with consuming(queue, is_slow=True) as consumer:
        await turns()
        consumer.stop.set()
        queue.add(late := Item(3))
        await turns()
        consumer.go_on.set()
    assert consumer.batches == [[0, 1, 2], [3]]
    assert [item.answers for item in (*items, late)] == [[None]] * 4


async def test_a_consumer_that_is_cancelled_rejects_what_waits() -> None:
    queue, items = filled(1)
    consumer = Consumer(queue)
    running = asyncio.create_task(consumer.run())
    await turns()
    queue.add(waiting := Item(1))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert waiting.is_rejected
    assert items[0].answers == [], "who has taken it settles it"
    assert not consumer.turn.locked()


async def test_a_consumer_that_fails_rejects_what_waits() -> None:
    queue, _ = filled(1)
    stop, turn = asyncio.Event(), asyncio.Lock()

    async def fail() -> None:
        try:
            async with aclosing(queue.batches(stop, turn)) as batches:
                async for _ in batches:
                    queue.add(waiting)
                    raise RuntimeError("a fault of ours")
        finally:
            settle(queue.take_all(), StoreUnavailableError("stopping"))

    waiting = Item(1)
    with pytest.raises(RuntimeError):
        await fail()
    assert waiting.is_rejected
    assert not turn.locked()


async def test_one_that_is_cancelled_while_idle_rejects_nothing_and_can_be_followed_by_another() -> None:
    queue: CommitQueue[Item] = CommitQueue()
    running = asyncio.create_task(Consumer(queue).run())
    await turns()
    running.cancel()
    await asyncio.wait([running])
    queue.add(item := Item(7))
    async with consuming(queue) as consumer:
        await turns()
        assert consumer.batches == [[7]]
    assert item.answers == [None]
