"""What the ledger does when the store fails, when a submission is at fault, and when it is to stop."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from receiver.domain.facts import Fact
from receiver.errors import StoreError, StoreUnavailableError
from receiver.tasks.tables import TASK
from tests.factories import hook, seen
from tests.ledger.ledger_env import LedgerEnv, open_ledger_env

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ledger_env(store_target: str) -> AsyncIterator[LedgerEnv]:
    """Its store waits 0.2 s for a lock instead of 5."""
    async with open_ledger_env(store_target, timeout_s=0.2) as ledger_env:
        yield ledger_env


def hooks(count: int) -> list[Fact]:
    return [hook("before", float(number), about=(f"r{number}", None)) for number in range(count)]


async def outcomes(*recordings: "asyncio.Task[None]") -> list[type | None]:
    """The type of error of each recording, or None; none may hang."""
    answers = await asyncio.wait_for(asyncio.gather(*recordings, return_exceptions=True), 15)
    return [type(answer) if answer is not None else None for answer in answers]


def at_fault(fact: Fact) -> Fact:
    """A fact that no store takes, since it lacks what each has."""
    return replace(fact, account=None)  # type: ignore[arg-type]


def start(ledger_env: LedgerEnv, facts: list[Fact]) -> "list[asyncio.Task[None]]":
    """One recording per fact."""
    return [asyncio.create_task(ledger_env.ledger.record([fact])) for fact in facts]


async def test_a_submission_at_fault_takes_no_neighbour_down(ledger_env: LedgerEnv) -> None:
    facts = hooks(4)
    recordings = start(ledger_env, [*facts[:2], at_fault(facts[2]), facts[3]])
    assert await outcomes(*recordings) == [None, None, StoreError, None]
    assert ledger_env.facts() == {fact.id for number, fact in enumerate(facts) if number != 2}
    assert {row["key"] for row in ledger_env.rows(TASK)} == {"r0", "r1", "r3"}


async def test_a_submission_at_fault_alone_is_refused_whole(ledger_env: LedgerEnv) -> None:
    await ledger_env.ledger.record(hooks(1))
    with pytest.raises(StoreError):
        await ledger_env.ledger.record([hooks(2)[1], at_fault(hooks(3)[2])])
    assert ledger_env.facts() == {hooks(1)[0].id}
    assert [row["key"] for row in ledger_env.rows(TASK)] == ["r0"]


async def test_text_that_no_database_takes_takes_no_neighbour_down(ledger_env: LedgerEnv) -> None:
    broken = seen("executed", 1.0, about=("bad", "8\ud800"))
    *neighbours, fault = await outcomes(*start(ledger_env, [*hooks(2), broken]))
    assert neighbours == [None, None]
    assert fault in (UnicodeEncodeError, TypeError)
    assert ledger_env.facts() == {fact.id for fact in hooks(2)}


async def test_a_store_that_stays_locked_is_unavailable_and_keeps_nothing(ledger_env: LedgerEnv) -> None:
    with ledger_env.locked():
        assert await outcomes(*start(ledger_env, hooks(3))) == [StoreUnavailableError] * 3
    assert ledger_env.facts() == set()
    assert ledger_env.rows(TASK) == []


async def test_after_trouble_the_same_facts_are_recorded_as_if_new(ledger_env: LedgerEnv) -> None:
    with ledger_env.locked():
        assert await outcomes(*start(ledger_env, hooks(3))) == [StoreUnavailableError] * 3
    assert await outcomes(*start(ledger_env, hooks(3))) == [None] * 3
    assert ledger_env.facts() == {fact.id for fact in hooks(3)}
    assert ledger_env.sample("tasks_opened_total", queue="unknown") == 3


async def test_in_trouble_a_whole_batch_waits_for_the_store_once(ledger_env: LedgerEnv) -> None:
    with ledger_env.locked():
        await outcomes(*start(ledger_env, hooks(1)))
        began = time.monotonic()
        assert await outcomes(*start(ledger_env, hooks(60))) == [StoreUnavailableError] * 60
        assert time.monotonic() - began < 2.0


@pytest.mark.parametrize("store_target", ["sqlite"], indirect=True)
async def test_a_full_disk_is_unavailable_and_heals(ledger_env: LedgerEnv) -> None:
    def limit(pages: int | None) -> None:
        with ledger_env.store.transaction() as connection:
            used = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages or used}")

    limit(None)
    large = [seen("executed", 1.0, extra={"note": "x" * 1_000_000})]
    with pytest.raises(StoreUnavailableError, match="full"):
        await ledger_env.ledger.record(large)
    assert (ledger_env.facts(), ledger_env.rows(TASK)) == (set(), [])
    limit(1_000_000)
    await asyncio.sleep(0.1)  # so long nobody is let in
    await ledger_env.ledger.record(large)
    assert len(ledger_env.facts()) == 1


async def test_stopping_drains_what_waits(store_target: str) -> None:
    async with open_ledger_env(store_target) as ledger_env:
        recordings = start(ledger_env, hooks(700))
        await asyncio.sleep(0)
        ledger_env.stop.set()
        assert await outcomes(*recordings) == [None] * 700
        await asyncio.wait_for(ledger_env.running, 10)
        assert len(ledger_env.facts()) == 700


async def test_an_idle_ledger_stops_at_once(ledger_env: LedgerEnv) -> None:
    await asyncio.sleep(0)
    ledger_env.stop.set()
    await asyncio.wait_for(ledger_env.running, 1)


async def test_what_waits_when_the_ledger_starts_is_recorded_even_if_it_is_to_stop(
    ledger_env: LedgerEnv,
) -> None:
    ledger_env.stop.set()
    await asyncio.wait_for(ledger_env.running, 1)
    waiting = asyncio.create_task(ledger_env.ledger.record(hooks(1)))
    await asyncio.sleep(0)
    await asyncio.wait_for(ledger_env.ledger.run(ledger_env.stop), 10)
    assert await outcomes(waiting) == [None]


async def test_a_ledger_that_is_cut_off_answers_all_who_wait(ledger_env: LedgerEnv) -> None:
    with ledger_env.locked():
        recordings = start(ledger_env, hooks(20))
        await asyncio.sleep(0.02)
        recordings += start(ledger_env, hooks(25)[20:])
        await asyncio.sleep(0.02)
        ledger_env.running.cancel()
        assert await outcomes(*recordings) == [StoreUnavailableError] * 25


async def test_a_ledger_that_is_cut_off_between_neighbours_answers_all_who_wait(
    ledger_env: LedgerEnv,
) -> None:
    """The batch failed for one of its rows and is being recorded one by one."""
    first, second, *others = hooks(60)
    recordings = start(ledger_env, [first, at_fault(second), *others])
    await asyncio.wait(recordings, return_when=asyncio.FIRST_EXCEPTION)
    ledger_env.running.cancel()
    answered = await outcomes(*recordings)
    assert answered[:2] == [None, StoreError]
    assert StoreUnavailableError in answered
