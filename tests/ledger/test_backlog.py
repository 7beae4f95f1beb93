"""What a worker behind the inbox still has to do, and when it may stop."""

import asyncio

import pytest

from receiver.ledger import backlog
from receiver.ledger.backlog import Backlog

pytestmark = pytest.mark.anyio


def emptied() -> Backlog:
    """One that has been found empty."""
    empty = Backlog()
    empty.shrink(empty.growth)
    assert empty.is_empty
    return empty


async def is_waiting(waiter: "asyncio.Task[object]") -> bool:
    await asyncio.sleep(0.01)
    return not waiter.done()


async def test_it_begins_as_not_empty_since_an_earlier_life_may_have_left_something() -> None:
    assert not Backlog().is_empty


async def test_who_waits_until_it_is_empty_waits_until_nothing_is_found() -> None:
    waited_for = Backlog()
    waiter: asyncio.Task[object] = asyncio.create_task(waited_for.wait_until_empty())
    assert await is_waiting(waiter)
    waited_for.shrink(waited_for.growth)
    await asyncio.wait_for(waiter, 1)
    waited_for.grow()
    waiter = asyncio.create_task(waited_for.wait_until_empty())
    assert await is_waiting(waiter)
    waited_for.shrink(waited_for.growth)
    await asyncio.wait_for(waiter, 1)


async def test_what_has_come_while_nothing_was_found_is_not_forgotten() -> None:
    growing = emptied()
    before = growing.growth
    growing.grow()
    growing.shrink(before)
    assert not growing.is_empty
    growing.shrink(growing.growth)
    assert growing.is_empty


async def test_to_wait_for_more_ends_when_it_grows_or_with_the_stop_or_after_its_time() -> None:
    growing, stop = emptied(), asyncio.Event()
    waiter: asyncio.Task[object] = asyncio.create_task(growing.wait_for_more(stop, 60))
    assert await is_waiting(waiter)
    growing.grow()
    assert await asyncio.wait_for(waiter, 1)
    assert not await growing.wait_for_more(stop, 0.01)
    waiter = asyncio.create_task(growing.wait_for_more(stop, 60))
    assert await is_waiting(waiter)
    stop.set()
    assert await asyncio.wait_for(waiter, 1)


async def test_to_wait_for_more_leaves_no_task_behind() -> None:
    growing, before = emptied(), asyncio.all_tasks()
    await growing.wait_for_more(asyncio.Event(), 0.001)
    waiter = asyncio.create_task(growing.wait_for_more(asyncio.Event(), 60))
    assert await is_waiting(waiter)
    waiter.cancel()
    await asyncio.wait([waiter])
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_a_worker_ends_once_it_is_to_stop_and_nothing_is_left() -> None:
    worked_off, stop = emptied(), asyncio.Event()
    assert not worked_off.is_over(stop)
    stop.set()
    assert worked_off.is_over(stop)
    worked_off.grow()
    assert not worked_off.is_over(stop)


async def test_a_worker_that_is_to_stop_goes_on_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "_LAST_S", 0.05)
    large, stop = Backlog(), asyncio.Event()
    stop.set()
    assert not large.is_over(stop)
    await asyncio.sleep(0.06)
    assert large.is_over(stop)


async def test_in_trouble_it_pauses_and_with_the_stop_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "AFTER_FAILURE_S", 0.05)
    troubled, stop = Backlog(), asyncio.Event()
    began = asyncio.get_running_loop().time()
    await troubled.rest(stop)
    assert asyncio.get_running_loop().time() - began >= 0.05
    assert not troubled.is_over(stop)
    stop.set()
    await asyncio.wait_for(troubled.rest(stop), 0.04)
    assert troubled.is_over(stop)
