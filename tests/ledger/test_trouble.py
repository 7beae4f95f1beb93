"""What the ledger does when the store fails, when a submission is at fault, and when it is to stop."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from receiver.domain.facts import Fact
from receiver.errors import StoreError, StoreUnavailableError
from receiver.store.tables import TASK
from tests.factories import hook, seen
from tests.ledger.house import House, open_house

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(store_target: str) -> AsyncIterator[House]:
    """Its store waits 0.2 s for a lock instead of 5."""
    async with open_house(store_target, patience=0.2) as house:
        yield house


def hooks(count: int) -> list[Fact]:
    return [hook("before", float(number), about=(f"r{number}", None)) for number in range(count)]


async def outcomes(*recordings: "asyncio.Task[None]") -> list[type | None]:
    """The type of error of each recording, or None; none may hang."""
    answers = await asyncio.wait_for(asyncio.gather(*recordings, return_exceptions=True), 15)
    return [type(answer) if answer is not None else None for answer in answers]


def at_fault(fact: Fact) -> Fact:
    """A fact that no store takes, since it lacks what each has."""
    return replace(fact, account=None)  # type: ignore[arg-type]


def start(house: House, facts: list[Fact]) -> "list[asyncio.Task[None]]":
    """One recording per fact."""
    return [asyncio.create_task(house.ledger.record([fact])) for fact in facts]


async def test_a_submission_at_fault_takes_no_neighbour_down(house: House) -> None:
    facts = hooks(4)
    recordings = start(house, [*facts[:2], at_fault(facts[2]), facts[3]])
    assert await outcomes(*recordings) == [None, None, StoreError, None]
    assert house.facts() == {fact.id for number, fact in enumerate(facts) if number != 2}
    assert {row["key"] for row in house.rows(TASK)} == {"r0", "r1", "r3"}


async def test_a_submission_at_fault_alone_is_refused_whole(house: House) -> None:
    await house.ledger.record(hooks(1))
    with pytest.raises(StoreError):
        await house.ledger.record([hooks(2)[1], at_fault(hooks(3)[2])])
    assert house.facts() == {hooks(1)[0].id}
    assert [row["key"] for row in house.rows(TASK)] == ["r0"]


async def test_text_that_no_database_takes_takes_no_neighbour_down(house: House) -> None:
    broken = seen("executed", 1.0, about=("bad", "8\ud800"))
    *neighbours, fault = await outcomes(*start(house, [*hooks(2), broken]))
    assert neighbours == [None, None]
    assert fault in (UnicodeEncodeError, TypeError)
    assert house.facts() == {fact.id for fact in hooks(2)}


async def test_a_store_that_stays_locked_is_unavailable_and_keeps_nothing(house: House) -> None:
    with house.locked():
        assert await outcomes(*start(house, hooks(3))) == [StoreUnavailableError] * 3
    assert house.facts() == set()
    assert house.rows(TASK) == []


async def test_after_trouble_the_same_facts_are_recorded_as_if_new(house: House) -> None:
    with house.locked():
        assert await outcomes(*start(house, hooks(3))) == [StoreUnavailableError] * 3
    assert await outcomes(*start(house, hooks(3))) == [None] * 3
    assert house.facts() == {fact.id for fact in hooks(3)}
    assert house.sample("tasks_opened_total", queue="unknown") == 3


async def test_in_trouble_a_whole_batch_waits_for_the_store_once(house: House) -> None:
    with house.locked():
        await outcomes(*start(house, hooks(1)))
        began = time.monotonic()
        assert await outcomes(*start(house, hooks(60))) == [StoreUnavailableError] * 60
        assert time.monotonic() - began < 2.0


@pytest.mark.parametrize("store_target", ["sqlite"], indirect=True)
async def test_a_full_disk_is_unavailable_and_heals(house: House) -> None:
    def limit(pages: int | None) -> None:
        with house.store.transaction() as connection:
            used = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages or used}")

    limit(None)
    large = [seen("executed", 1.0, extra={"note": "x" * 1_000_000})]
    with pytest.raises(StoreUnavailableError, match="full"):
        await house.ledger.record(large)
    assert (house.facts(), house.rows(TASK)) == (set(), [])
    limit(1_000_000)
    await asyncio.sleep(0.1)  # so long nobody is let in
    await house.ledger.record(large)
    assert len(house.facts()) == 1


async def test_stopping_drains_what_waits(store_target: str) -> None:
    async with open_house(store_target) as house:
        recordings = start(house, hooks(700))
        await asyncio.sleep(0)
        house.stop.set()
        assert await outcomes(*recordings) == [None] * 700
        await asyncio.wait_for(house.running, 10)
        assert len(house.facts()) == 700


async def test_an_idle_ledger_stops_at_once(house: House) -> None:
    await asyncio.sleep(0)
    house.stop.set()
    await asyncio.wait_for(house.running, 1)


async def test_what_waits_when_the_ledger_starts_is_recorded_even_if_it_is_to_stop(house: House) -> None:
    house.stop.set()
    await asyncio.wait_for(house.running, 1)
    waiting = asyncio.create_task(house.ledger.record(hooks(1)))
    await asyncio.sleep(0)
    await asyncio.wait_for(house.ledger.run(house.stop), 10)
    assert await outcomes(waiting) == [None]


async def test_a_ledger_that_is_cut_off_answers_all_who_wait(house: House) -> None:
    with house.locked():
        recordings = start(house, hooks(20))
        await asyncio.sleep(0.02)
        recordings += start(house, hooks(25)[20:])
        await asyncio.sleep(0.02)
        house.running.cancel()
        assert await outcomes(*recordings) == [StoreUnavailableError] * 25


async def test_a_ledger_that_is_cut_off_between_neighbours_answers_all_who_wait(house: House) -> None:
    """The batch failed for one of its rows and is being recorded one by one."""
    first, second, *others = hooks(60)
    recordings = start(house, [first, at_fault(second), *others])
    await asyncio.wait(recordings, return_when=asyncio.FIRST_EXCEPTION)
    house.running.cancel()
    answered = await outcomes(*recordings)
    assert answered[:2] == [None, StoreError]
    assert StoreUnavailableError in answered
