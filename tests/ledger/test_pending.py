"""Hooks are on disk before they are folded: what lies between is not lost, and holds up nobody."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from receiver.domain.facts import Fact
from receiver.domain.known import Known, sort
from receiver.errors import StoreUnavailableError
from receiver.ledger import backlog, line, pace
from receiver.ledger.pace import Pace
from receiver.store.backend import Arrival
from receiver.store.engine import Store
from receiver.store.tables import PENDING, TASK
from tests.factories import delivery, hook
from tests.ledger.house import House, open_house

pytestmark = pytest.mark.anyio


def arrivals(count: int) -> list[Arrival]:
    facts = [hook("before", float(number), about=(f"r{number}", None)) for number in range(count)]
    return [Arrival(delivery(fact.id)._replace(ref=fact.ref), fact) for fact in facts]


async def appended_by_one_that_died(target: str, count: int) -> None:
    """A receiver that was killed between its commit and its fold."""
    with closing(Store(target)) as store:
        store.create()
        await store.append(arrivals(count))


async def test_what_one_that_died_has_appended_is_folded_by_the_next(store_target: str) -> None:
    await appended_by_one_that_died(store_target, 300)
    async with open_house(store_target) as house:
        await asyncio.wait_for(house.ledger.caught_up(), 20)
        assert len(house.rows(TASK)) == 300
        assert house.rows(PENDING) == []
        assert house.sample("tasks_opened_total", queue="unknown") == 300


async def test_what_another_one_leaves_while_we_run_is_folded_too(
    store_target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "PEEK_S", 0.05)
    async with open_house(store_target) as house:
        await asyncio.wait_for(house.ledger.caught_up(), 20)
        await appended_by_one_that_died(store_target, 1)
        for _ in range(200):
            if house.rows(TASK):
                break
            await asyncio.sleep(0.02)
        assert [row["key"] for row in house.rows(TASK)] == ["r0"]


async def test_a_hook_is_acknowledged_while_nothing_can_be_folded(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pace, "allows", lambda _: False)
    await asyncio.wait_for(asyncio.gather(*map(house.ledger.accept, arrivals(5))), 10)
    assert len(house.facts()) == len(house.rows(PENDING)) == 5
    assert house.rows(TASK) == []
    monkeypatch.undo()
    await asyncio.wait_for(house.ledger.caught_up(), 10)
    assert len(house.rows(TASK)) == 5


async def test_what_cannot_be_folded_is_set_aside_alone_and_counted(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(facts: Iterable[Fact]) -> Known:
        known = list(facts)
        if known[0].ref == "r2":
            raise RuntimeError("a fault of ours")
        return sort(known)

    monkeypatch.setattr("receiver.domain.fold.sort", faulty)
    await asyncio.gather(*map(house.ledger.accept, arrivals(4)))
    await asyncio.wait_for(house.ledger.caught_up(), 10)
    assert {row["key"] for row in house.rows(TASK)} == {"r0", "r1", "r3"}
    assert len(house.facts()) == 4
    assert house.rows(PENDING) == []
    assert house.sample("fold_failures_total") == 1


async def test_a_store_in_trouble_while_facts_are_tried_one_by_one_sets_nothing_aside(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a fault of the fact nor an end of the ledger, which goes on taking in hooks."""
    faults: list[Exception] = [RuntimeError("a fault of ours: the batch fails")]
    troubles = [StoreUnavailableError("and then the store does")]
    read = house.store.read

    def faulty(facts: Iterable[Fact]) -> Known:
        if faults:
            raise faults.pop()
        return sort(facts)

    async def troubled(work: Callable[[Connection], Any]) -> Any:
        if troubles:
            raise troubles.pop()
        return await read(work)

    monkeypatch.setattr("receiver.domain.fold.sort", faulty)
    monkeypatch.setattr(house.store, "read", troubled)
    monkeypatch.setattr(backlog, "_AFTER_FAILURE_S", 0.05)
    await asyncio.gather(*map(house.ledger.accept, arrivals(3)))
    await asyncio.wait_for(house.ledger.caught_up(), 10)
    assert not troubles
    assert not house.running.done()
    assert len(house.rows(TASK)) == 3
    assert house.sample("fold_failures_total") == 0


async def test_who_has_waited_too_long_is_turned_away_and_nobody_else() -> None:
    waiting: line.Line[int] = line.Line(asyncio.Event())
    answers = [waiting.join(number, 500) for number in range(5)]
    for each in waiting._waiting[:2]:
        each.since -= line.MAX_WAIT_S + 1
    assert [each.item for each in waiting.take()] == [2, 3, 4]
    assert [type(answer.exception()) for answer in answers[:2]] == [StoreUnavailableError] * 2
    assert not any(answer.done() for answer in answers[2:])
    assert len(waiting) == 0


async def test_a_mark_without_its_fact_is_taken_away(house: House) -> None:
    await house.store.write(lambda connection: connection.execute(insert(PENDING), {"seq": 4711}))
    await house.arrive(*reversed(arrivals(1)[0]))  # type: ignore[arg-type]
    assert house.rows(PENDING) == []


async def test_large_bodies_are_turned_away_before_memory_is_full(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "MAX_WAITING_BYTES", 100_000)
    large = [each._replace(delivery=each.delivery._replace(body=b"x" * 60_000)) for each in arrivals(4)]
    answers = await asyncio.gather(*map(house.accept, large), return_exceptions=True)
    assert [answer is None for answer in answers] == [True, True, False, False]


async def test_folding_is_paid_with_idle_time_and_a_small_share_of_commits() -> None:
    idle = Pace(busy=lambda: 0.0)
    assert idle.allows()
    idle.note_fold(1.0)
    assert not idle.allows()
    await asyncio.sleep(0.3)  # nothing was busy meanwhile: four times as much may be folded
    assert idle.allows()
    processor = 0.0
    busy = Pace(busy=lambda: processor)
    busy.allows()
    busy.note_fold(0.1)
    processor = 60.0
    await asyncio.sleep(0.05)
    assert not busy.allows()
    busy.note_commit(0.1 / pace.SHARE)
    assert busy.allows()
