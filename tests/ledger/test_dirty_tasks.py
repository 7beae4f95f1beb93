"""Hooks are on disk before they are folded: until then their tasks are dirty; none is lost, or in the way."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection

from receiver.domain.facts import Fact
from receiver.domain.task_facts import TaskFacts, sort
from receiver.errors import StoreUnavailableError
from receiver.ledger import backlog, dirty, folder
from receiver.ledger.append import Arrival, add_arrivals
from receiver.ledger.dirty import DirtyTask
from receiver.ledger.tables import DIRTY_TASK
from receiver.ledger.throttle import Throttle
from receiver.maintenance.schema import create_tables
from receiver.storage.engine import Store
from receiver.tasks.tables import TASK
from tests.factories import ACCOUNT, delivery, hook, seen
from tests.ledger.ledger_env import LedgerEnv, open_ledger_env
from tests.outcomes.delivery_env import SteppedClock

pytestmark = pytest.mark.anyio

NOW = 1_772_357_400.0
NUMBER = "79990000001"


def arrivals(count: int, copy: int = 0) -> list[Arrival]:
    facts = [hook("before", float(number), about=(f"r{number}", None), copy=copy) for number in range(count)]
    return [Arrival(delivery(fact.id)._replace(ref=fact.ref), fact) for fact in facts]


async def left_by_one_that_died(target: str, count: int) -> None:
    """A receiver that was killed between reading hooks and folding them."""
    with closing(Store(target)) as store:
        create_tables(store)
        await store.write(partial(add_arrivals, arrivals=arrivals(count)))


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(500):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


def _has_failed(ledger_env: LedgerEnv, times: int) -> bool:
    return ledger_env.sample("fold_failures_total") == times


def keys(ledger_env: LedgerEnv) -> set[str]:
    return {row["key"] for row in ledger_env.rows(TASK)}


@pytest.fixture
def folds(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The ref of each task that is folded, as often as it is."""
    folded: list[str | None] = []

    def noted(facts: Iterable[Fact]) -> TaskFacts:
        known = list(facts)
        folded.append(known[0].ref)
        return sort(known)

    monkeypatch.setattr("receiver.domain.fold.sort", noted)
    return folded


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> set[str | None]:
    """The refs of tasks that cannot be folded."""
    refs: set[str | None] = {"r2"}

    def fail(facts: Iterable[Fact]) -> TaskFacts:
        known = list(facts)
        if known[0].ref in refs:
            raise RuntimeError(f"a fault of ours about {NUMBER}")
        return sort(known)

    monkeypatch.setattr("receiver.domain.fold.sort", fail)
    return refs


async def test_what_one_that_died_has_left_is_folded_by_the_next(store_target: str) -> None:
    await left_by_one_that_died(store_target, 300)
    async with open_ledger_env(store_target) as ledger_env:
        await asyncio.wait_for(ledger_env.caught_up(), 20)
        assert len(ledger_env.rows(TASK)) == 300
        assert ledger_env.rows(DIRTY_TASK) == []
        assert ledger_env.sample("tasks_opened_total", queue="unknown") == 300


async def test_what_another_one_leaves_while_we_run_is_folded_too(
    store_target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "PEEK_S", 0.05)
    async with open_ledger_env(store_target) as ledger_env:
        await asyncio.wait_for(ledger_env.caught_up(), 20)
        await left_by_one_that_died(store_target, 1)
        await until(lambda: keys(ledger_env) == {"r0"})


async def test_hooks_are_kept_while_nothing_can_be_folded(
    ledger_env: LedgerEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger_env.caught_up()
    monkeypatch.setattr(Throttle, "allows", lambda _: False)
    await ledger_env.accept(*arrivals(5))
    await asyncio.sleep(0.1)
    assert len(ledger_env.facts()) == len(ledger_env.rows(DIRTY_TASK)) == 5
    assert ledger_env.rows(TASK) == []
    monkeypatch.undo()
    await asyncio.wait_for(ledger_env.caught_up(), 10)
    assert len(ledger_env.rows(TASK)) == 5


async def test_a_task_is_folded_once_for_all_that_has_come(
    ledger_env: LedgerEnv, folds: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger_env.caught_up()
    with monkeypatch.context() as busy:
        busy.setattr(Throttle, "allows", lambda _: False)
        for copy in range(20):
            await ledger_env.accept(*arrivals(3, copy))
    await asyncio.wait_for(ledger_env.caught_up(), 10)
    assert sorted(map(str, folds)) == ["r0", "r1", "r2"]
    assert [row["duplicates"]["before"] for row in ledger_env.rows(TASK)] == [19] * 3


async def test_what_cannot_be_folded_is_set_aside_alone_and_counted(
    store_target: str, faulty: set[str | None]
) -> None:
    async with open_ledger_env(store_target, clock=SteppedClock(NOW)) as ledger_env:
        await ledger_env.accept(*arrivals(4))
        await asyncio.wait_for(ledger_env.caught_up(), 10)
        assert keys(ledger_env) == {"r0", "r1", "r3"}
        assert len(ledger_env.facts()) == 4
        (row,) = ledger_env.rows(DIRTY_TASK)
        problem = row.pop("problem")
        aside = {"failures": 1, "retry_at": NOW + 60}
        assert row == {"account": ACCOUNT, "name": "r2", "since": 2.0, **aside}
        assert problem.startswith("RuntimeError in ")
        assert NUMBER not in problem
        assert ledger_env.sample("fold_failures_total") == 1


async def test_it_is_tried_again_when_its_time_has_come_and_folded_once_it_can_be(
    store_target: str, faulty: set[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "PEEK_S", 0.02)
    clock = SteppedClock(NOW)
    async with open_ledger_env(store_target, clock=clock) as ledger_env:
        await ledger_env.accept(*arrivals(4))
        await asyncio.wait_for(ledger_env.caught_up(), 10)
        for failures, pause in ((1, 60.0), (2, 120.0), (3, 240.0)):
            (row,) = ledger_env.rows(DIRTY_TASK)
            assert (row["failures"], row["retry_at"]) == (failures, clock.time + pause)
            clock.time += pause - 1
            await asyncio.sleep(0.1)
            assert ledger_env.sample("fold_failures_total") == failures
            clock.time += 1
            await until(partial(_has_failed, ledger_env, failures + 1))
        faulty.clear()
        clock.time += 480
        await until(lambda: ledger_env.rows(DIRTY_TASK) == [])
        await ledger_env.caught_up()
        assert keys(ledger_env) == {"r0", "r1", "r2", "r3"}
        assert ledger_env.sample("tasks_opened_total", queue="unknown") == 4


async def test_retry_all_folds_at_once_what_can_be_folded_by_now(
    ledger_env: LedgerEnv, faulty: set[str | None]
) -> None:
    faulty.add("r3")
    await ledger_env.accept(*arrivals(4))
    await asyncio.wait_for(ledger_env.caught_up(), 10)
    faulty.remove("r2")
    await ledger_env.folder.retry_all()
    await asyncio.wait_for(ledger_env.caught_up(), 10)
    assert keys(ledger_env) == {"r0", "r1", "r2"}
    assert [(row["name"], row["failures"]) for row in ledger_env.rows(DIRTY_TASK)] == [("r3", 2)]


async def test_what_is_set_aside_waits_for_its_time_whatever_comes_and_holds_up_nothing(
    ledger_env: LedgerEnv, faulty: set[str | None]
) -> None:
    await ledger_env.accept(*arrivals(4))
    await asyncio.wait_for(ledger_env.caught_up(), 10)
    faulty.clear()
    await ledger_env.accept(*arrivals(6, copy=1))
    await asyncio.wait_for(ledger_env.caught_up(), 10)
    assert keys(ledger_env) == {"r0", "r1", "r3", "r4", "r5"}
    await ledger_env.folder.retry_all()
    await asyncio.wait_for(ledger_env.caught_up(), 10)
    (row,) = [row for row in ledger_env.rows(TASK) if row["key"] == "r2"]
    assert row["duplicates"]["before"] == 1
    assert ledger_env.rows(DIRTY_TASK) == []


async def test_what_the_api_says_of_a_task_that_is_set_aside_folds_it_and_leaves_its_mark(
    ledger_env: LedgerEnv, faulty: set[str | None]
) -> None:
    await ledger_env.accept(*arrivals(3))
    await asyncio.wait_for(ledger_env.caught_up(), 10)
    with pytest.raises(RuntimeError):
        await ledger_env.ledger.record([seen("executed", 5.0, about=("r2", "7"))])
    faulty.clear()
    await ledger_env.ledger.record([seen("executed", 6.0, about=("r2", "7"))])
    assert keys(ledger_env) == {"r0", "r1", "r2"}
    assert [row["failures"] for row in ledger_env.rows(DIRTY_TASK)] == [1]


async def test_a_store_in_trouble_while_tasks_are_tried_one_by_one_sets_nothing_aside(
    ledger_env: LedgerEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a fault of the task nor an end of the folder, which goes on."""
    await ledger_env.caught_up()
    faults: list[Exception] = [RuntimeError("a fault of ours: the batch fails")]
    troubles = [StoreUnavailableError("and then the store does")]
    read = ledger_env.store.read

    def fail(facts: Iterable[Fact]) -> TaskFacts:
        if faults:
            raise faults.pop()
        return sort(facts)

    async def troubled(work: Callable[[Connection], Any]) -> Any:
        if troubles:
            raise troubles.pop()
        return await read(work)

    monkeypatch.setattr("receiver.domain.fold.sort", fail)
    monkeypatch.setattr(ledger_env.store, "read", troubled)
    monkeypatch.setattr(backlog, "AFTER_FAILURE_S", 0.05)
    await ledger_env.accept(*arrivals(3))
    await asyncio.wait_for(ledger_env.caught_up(), 10)
    assert not troubles
    assert not ledger_env.running.done()
    assert len(ledger_env.rows(TASK)) == 3
    assert ledger_env.rows(DIRTY_TASK) == []
    assert ledger_env.sample("fold_failures_total") == 0


async def test_a_mark_without_facts_is_taken_away(ledger_env: LedgerEnv) -> None:
    mark = partial(dirty.mark, tasks={DirtyTask(ACCOUNT, "r4711"): 1.0, DirtyTask(ACCOUNT, "#4711"): 1.0})
    await ledger_env.store.write(mark)
    await ledger_env.accept(*arrivals(1))
    await asyncio.wait_for(ledger_env.caught_up(), 10)
    assert ledger_env.rows(DIRTY_TASK) == []
    assert keys(ledger_env) == {"r0"}


async def test_a_folder_that_is_to_stop_folds_what_is_left(ledger_env: LedgerEnv) -> None:
    await ledger_env.accept(*arrivals(200))
    ledger_env.stop.set()
    await asyncio.wait_for(ledger_env.running, 10)
    assert len(ledger_env.rows(TASK)) == 200
    assert ledger_env.rows(DIRTY_TASK) == []


async def test_a_folder_that_is_to_stop_while_the_store_is_in_trouble_leaves_the_rest_to_the_next(
    store_target: str,
) -> None:
    async with open_ledger_env(store_target, timeout_s=0.2) as ledger_env:
        await ledger_env.caught_up()
        await ledger_env.store.write(partial(add_arrivals, arrivals=arrivals(3)))
        with ledger_env.locked():
            ledger_env.folder.backlog.grow()
            ledger_env.stop.set()
            await asyncio.wait_for(ledger_env.running, 5)
        assert len(ledger_env.rows(DIRTY_TASK)) == 3
    async with open_ledger_env(store_target) as ledger_env:
        await asyncio.wait_for(ledger_env.caught_up(), 10)
        assert len(ledger_env.rows(TASK)) == 3
