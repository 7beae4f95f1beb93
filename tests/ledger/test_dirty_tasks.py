"""Hooks are on disk before they are folded: until then their tasks are dirty; none is lost, or in the way."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection

from receiver.domain.facts import Fact
from receiver.domain.known import Known, sort
from receiver.errors import StoreUnavailableError
from receiver.ledger import backlog, dirty, folder
from receiver.ledger.arrivals import Arrival, add_arrivals
from receiver.ledger.dirty import DirtyTask
from receiver.ledger.throttle import Throttle
from receiver.store.engine import Store
from receiver.store.tables import DIRTY_TASK, TASK
from tests.delivery.office import SteppedClock
from tests.factories import ACCOUNT, delivery, hook, seen
from tests.ledger.house import House, open_house

pytestmark = pytest.mark.anyio

NOW = 1_772_357_400.0
NUMBER = "79990000001"


def arrivals(count: int, copy: int = 0) -> list[Arrival]:
    facts = [hook("before", float(number), about=(f"r{number}", None), copy=copy) for number in range(count)]
    return [Arrival(delivery(fact.id)._replace(ref=fact.ref), fact) for fact in facts]


async def left_by_one_that_died(target: str, count: int) -> None:
    """A receiver that was killed between reading hooks and folding them."""
    with closing(Store(target)) as store:
        store.create()
        await store.write(partial(add_arrivals, arrivals=arrivals(count)))


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(500):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


def _has_failed(house: House, times: int) -> bool:
    return house.sample("fold_failures_total") == times


def keys(house: House) -> set[str]:
    return {row["key"] for row in house.rows(TASK)}


@pytest.fixture
def folds(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The ref of each task that is folded, as often as it is."""
    folded: list[str | None] = []

    def noted(facts: Iterable[Fact]) -> Known:
        known = list(facts)
        folded.append(known[0].ref)
        return sort(known)

    monkeypatch.setattr("receiver.domain.fold.sort", noted)
    return folded


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> set[str | None]:
    """The refs of tasks that cannot be folded."""
    refs: set[str | None] = {"r2"}

    def fail(facts: Iterable[Fact]) -> Known:
        known = list(facts)
        if known[0].ref in refs:
            raise RuntimeError(f"a fault of ours about {NUMBER}")
        return sort(known)

    monkeypatch.setattr("receiver.domain.fold.sort", fail)
    return refs


async def test_what_one_that_died_has_left_is_folded_by_the_next(store_target: str) -> None:
    await left_by_one_that_died(store_target, 300)
    async with open_house(store_target) as house:
        await asyncio.wait_for(house.caught_up(), 20)
        assert len(house.rows(TASK)) == 300
        assert house.rows(DIRTY_TASK) == []
        assert house.sample("tasks_opened_total", queue="unknown") == 300


async def test_what_another_one_leaves_while_we_run_is_folded_too(
    store_target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "PEEK_S", 0.05)
    async with open_house(store_target) as house:
        await asyncio.wait_for(house.caught_up(), 20)
        await left_by_one_that_died(store_target, 1)
        await until(lambda: keys(house) == {"r0"})


async def test_hooks_are_kept_while_nothing_can_be_folded(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.caught_up()
    monkeypatch.setattr(Throttle, "allows", lambda _: False)
    await house.accept(*arrivals(5))
    await asyncio.sleep(0.1)
    assert len(house.facts()) == len(house.rows(DIRTY_TASK)) == 5
    assert house.rows(TASK) == []
    monkeypatch.undo()
    await asyncio.wait_for(house.caught_up(), 10)
    assert len(house.rows(TASK)) == 5


async def test_a_task_is_folded_once_for_all_that_has_come(
    house: House, folds: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.caught_up()
    with monkeypatch.context() as busy:
        busy.setattr(Throttle, "allows", lambda _: False)
        for copy in range(20):
            await house.accept(*arrivals(3, copy))
    await asyncio.wait_for(house.caught_up(), 10)
    assert sorted(map(str, folds)) == ["r0", "r1", "r2"]
    assert [row["duplicates"]["before"] for row in house.rows(TASK)] == [19] * 3


async def test_what_cannot_be_folded_is_set_aside_alone_and_counted(
    store_target: str, faulty: set[str | None]
) -> None:
    async with open_house(store_target, clock=SteppedClock(NOW)) as house:
        await house.accept(*arrivals(4))
        await asyncio.wait_for(house.caught_up(), 10)
        assert keys(house) == {"r0", "r1", "r3"}
        assert len(house.facts()) == 4
        (row,) = house.rows(DIRTY_TASK)
        problem = row.pop("problem")
        aside = {"failures": 1, "retry_at": NOW + 60}
        assert row == {"account": ACCOUNT, "name": "r2", "since": 2.0, **aside}
        assert problem.startswith("RuntimeError in ")
        assert NUMBER not in problem
        assert house.sample("fold_failures_total") == 1


async def test_it_is_tried_again_when_its_time_has_come_and_folded_once_it_can_be(
    store_target: str, faulty: set[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "PEEK_S", 0.02)
    clock = SteppedClock(NOW)
    async with open_house(store_target, clock=clock) as house:
        await house.accept(*arrivals(4))
        await asyncio.wait_for(house.caught_up(), 10)
        for failures, pause in ((1, 60.0), (2, 120.0), (3, 240.0)):
            (row,) = house.rows(DIRTY_TASK)
            assert (row["failures"], row["retry_at"]) == (failures, clock.time + pause)
            clock.time += pause - 1
            await asyncio.sleep(0.1)
            assert house.sample("fold_failures_total") == failures
            clock.time += 1
            await until(partial(_has_failed, house, failures + 1))
        faulty.clear()
        clock.time += 480
        await until(lambda: house.rows(DIRTY_TASK) == [])
        await house.caught_up()
        assert keys(house) == {"r0", "r1", "r2", "r3"}
        assert house.sample("tasks_opened_total", queue="unknown") == 4


async def test_retry_all_folds_at_once_what_can_be_folded_by_now(
    house: House, faulty: set[str | None]
) -> None:
    faulty.add("r3")
    await house.accept(*arrivals(4))
    await asyncio.wait_for(house.caught_up(), 10)
    faulty.remove("r2")
    await house.folder.retry_all()
    await asyncio.wait_for(house.caught_up(), 10)
    assert keys(house) == {"r0", "r1", "r2"}
    assert [(row["name"], row["failures"]) for row in house.rows(DIRTY_TASK)] == [("r3", 2)]


async def test_what_is_set_aside_waits_for_its_time_whatever_comes_and_holds_up_nothing(
    house: House, faulty: set[str | None]
) -> None:
    await house.accept(*arrivals(4))
    await asyncio.wait_for(house.caught_up(), 10)
    faulty.clear()
    await house.accept(*arrivals(6, copy=1))
    await asyncio.wait_for(house.caught_up(), 10)
    assert keys(house) == {"r0", "r1", "r3", "r4", "r5"}
    await house.folder.retry_all()
    await asyncio.wait_for(house.caught_up(), 10)
    (row,) = [row for row in house.rows(TASK) if row["key"] == "r2"]
    assert row["duplicates"]["before"] == 1
    assert house.rows(DIRTY_TASK) == []


async def test_what_the_api_says_of_a_task_that_is_set_aside_folds_it_and_leaves_its_mark(
    house: House, faulty: set[str | None]
) -> None:
    await house.accept(*arrivals(3))
    await asyncio.wait_for(house.caught_up(), 10)
    with pytest.raises(RuntimeError):
        await house.ledger.record([seen("executed", 5.0, about=("r2", "7"))])
    faulty.clear()
    await house.ledger.record([seen("executed", 6.0, about=("r2", "7"))])
    assert keys(house) == {"r0", "r1", "r2"}
    assert [row["failures"] for row in house.rows(DIRTY_TASK)] == [1]


async def test_a_store_in_trouble_while_tasks_are_tried_one_by_one_sets_nothing_aside(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a fault of the task nor an end of the folder, which goes on."""
    await house.caught_up()
    faults: list[Exception] = [RuntimeError("a fault of ours: the batch fails")]
    troubles = [StoreUnavailableError("and then the store does")]
    read = house.store.read

    def fail(facts: Iterable[Fact]) -> Known:
        if faults:
            raise faults.pop()
        return sort(facts)

    async def troubled(work: Callable[[Connection], Any]) -> Any:
        if troubles:
            raise troubles.pop()
        return await read(work)

    monkeypatch.setattr("receiver.domain.fold.sort", fail)
    monkeypatch.setattr(house.store, "read", troubled)
    monkeypatch.setattr(backlog, "AFTER_FAILURE_S", 0.05)
    await house.accept(*arrivals(3))
    await asyncio.wait_for(house.caught_up(), 10)
    assert not troubles
    assert not house.running.done()
    assert len(house.rows(TASK)) == 3
    assert house.rows(DIRTY_TASK) == []
    assert house.sample("fold_failures_total") == 0


async def test_a_mark_without_facts_is_taken_away(house: House) -> None:
    mark = partial(dirty.mark, tasks={DirtyTask(ACCOUNT, "r4711"): 1.0, DirtyTask(ACCOUNT, "#4711"): 1.0})
    await house.store.write(mark)
    await house.accept(*arrivals(1))
    await asyncio.wait_for(house.caught_up(), 10)
    assert house.rows(DIRTY_TASK) == []
    assert keys(house) == {"r0"}


async def test_a_folder_that_is_to_stop_folds_what_is_left(house: House) -> None:
    await house.accept(*arrivals(200))
    house.stop.set()
    await asyncio.wait_for(house.running, 10)
    assert len(house.rows(TASK)) == 200
    assert house.rows(DIRTY_TASK) == []


async def test_a_folder_that_is_to_stop_while_the_store_is_in_trouble_leaves_the_rest_to_the_next(
    store_target: str,
) -> None:
    async with open_house(store_target, patience=0.2) as house:
        await house.caught_up()
        await house.store.write(partial(add_arrivals, arrivals=arrivals(3)))
        with house.locked():
            house.folder.backlog.grow()
            house.stop.set()
            await asyncio.wait_for(house.running, 5)
        assert len(house.rows(DIRTY_TASK)) == 3
    async with open_house(store_target) as house:
        await asyncio.wait_for(house.caught_up(), 10)
        assert len(house.rows(TASK)) == 3
