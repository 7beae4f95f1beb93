"""What the ledger does when the store fails, when a submission is at fault, and when it is to stop."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from receiver.domain.facts import Fact
from receiver.errors import StoreError, StoreUnavailableError
from receiver.store.backend import Arrival
from receiver.store.tables import DELIVERY, TASK
from tests.factories import delivery, hook, seen
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


def start(house: House, facts: list[Fact], deliveries: list[str] | None = None) -> "list[asyncio.Task[None]]":
    """One recording per fact, each with a delivery."""
    names = deliveries or [fact.id for fact in facts]
    return [
        asyncio.create_task(house.accept(Arrival(delivery(name)._replace(ref=fact.ref), fact)))
        for fact, name in zip(facts, names, strict=True)
    ]


async def test_a_submission_at_fault_takes_no_neighbour_down(house: House) -> None:
    facts = hooks(4)
    recordings = start(house, facts, ["d0", "d1", "d1", "d3"])
    assert await outcomes(*recordings) == [None, None, StoreError, None]
    assert house.facts() == {fact.id for number, fact in enumerate(facts) if number != 2}
    assert [row["id"] for row in house.rows(DELIVERY)] == ["d0", "d1", "d3"]
    await house.ledger.caught_up()
    assert {row["key"] for row in house.rows(TASK)} == {"r0", "r1", "r3"}


async def test_a_submission_at_fault_alone_is_refused_whole(house: House) -> None:
    await house.arrive(hooks(2)[0], delivery("d1"))
    with pytest.raises(StoreError):
        await house.arrive(hooks(2)[1], delivery("d1"))
    assert house.facts() == {hooks(1)[0].id}


async def test_text_that_no_database_takes_takes_no_neighbour_down(house: House) -> None:
    broken = seen("executed", 1.0, about=("bad", "8\ud800"))
    recordings = start(house, [*hooks(2), broken], ["d0", "d1", "d2"])
    *neighbours, fault = await outcomes(*recordings)
    assert neighbours == [None, None]
    assert fault in (UnicodeEncodeError, TypeError)
    assert house.facts() == {fact.id for fact in hooks(2)}


async def test_a_store_that_stays_locked_is_unavailable_and_keeps_nothing(house: House) -> None:
    with house.locked():
        assert await outcomes(*start(house, hooks(3))) == [StoreUnavailableError] * 3
    assert house.facts() == set()
    assert house.rows(DELIVERY) == []


async def test_after_trouble_the_same_facts_are_recorded_as_if_new(house: House) -> None:
    with house.locked():
        assert await outcomes(*start(house, hooks(3))) == [StoreUnavailableError] * 3
    assert await outcomes(*start(house, hooks(3))) == [None] * 3
    assert house.facts() == {fact.id for fact in hooks(3)}
    await house.ledger.caught_up()
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
    large = delivery("d1")._replace(body=b"x" * 1_000_000)
    with pytest.raises(StoreUnavailableError, match="full"):
        await house.arrive(hooks(1)[0], large)
    assert (house.facts(), house.rows(DELIVERY)) == (set(), [])
    limit(1_000_000)
    await asyncio.sleep(0.1)  # so long nobody is let in
    await house.arrive(hooks(1)[0], large)
    assert len(house.facts()) == 1


async def test_stopping_drains_what_waits(house: House) -> None:
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
    recordings = start(house, hooks(60), ["d0", "d0", *(f"d{number}" for number in range(2, 60))])
    await asyncio.wait(recordings, return_when=asyncio.FIRST_EXCEPTION)
    house.running.cancel()
    answered = await outcomes(*recordings)
    assert answered[:2] == [None, StoreError]
    assert StoreUnavailableError in answered
