"""The worker: beside hooks, through trouble, until it is stopped."""

import asyncio

import pytest

from receiver import retention
from receiver.clock import WallClock
from receiver.rebuild import verify
from receiver.retention import Keep, RetentionWorker
from tests.ledger.house import House, open_house
from tests.retention.lives import DAY, arrival, keys, life, live, rows

pytestmark = pytest.mark.anyio

KEEP = Keep(deliveries=30 * DAY, set_aside=30 * DAY, tasks=30 * DAY)
LONG_AGO = 1_000_000.0


def worker(house: House, keep: Keep = KEEP) -> RetentionWorker:
    return RetentionWorker(house.store, keep, WallClock(), house.metrics)


def counted(house: House) -> dict[str, float]:
    kinds = ("delivery", "set_aside", "task", "fact", "finding", "link", "outcome")
    return {kind: house.sample("retention_deleted_total", kind=kind) for kind in kinds}


async def test_hooks_are_taken_in_while_the_old_goes(
    store_target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "MOST_ROWS", 40)
    now = WallClock().now()
    async with open_house(store_target) as house:
        await live(house.store, *(life(f"old{n}", f"1{n}", LONG_AGO + n) for n in range(30)))
        pruning = asyncio.create_task(worker(house).once(asyncio.Event()))
        sent = 0
        while not pruning.done():
            some = [arrival((f"new{sent + n}", None), "before", now, n) for n in range(5)]
            await asyncio.wait_for(asyncio.gather(*map(house.accept, some)), 10)
            sent += 5
        await pruning
        await asyncio.wait_for(house.caught_up(), 20)
        assert sent >= 20
        assert keys(house.store) == {f"new{n}" for n in range(sent)}
        assert rows(house.store) == {"delivery": sent, "fact": sent, "link": 0, "finding": 0, "task": sent}
        assert counted(house) == {
            "delivery": 90,
            "set_aside": 0,
            "task": 30,
            "fact": 150,
            "finding": 30,
            "link": 30,
            "outcome": 180,
        }
        assert verify(house.store).differences == []


async def test_late_hooks_of_the_very_tasks_that_go_are_kept(store_target: str) -> None:
    async with open_house(store_target) as house:
        await live(house.store, *(life(f"r{n}", f"1{n}", LONG_AGO + n) for n in range(60)))
        late = [arrival((f"r{n}", None), "after", WallClock().now(), n) for n in range(60)]

        async def come_late() -> None:
            for hook in late:
                await house.accept(hook)

        await asyncio.wait_for(asyncio.gather(worker(house).once(asyncio.Event()), come_late()), 30)
        await asyncio.wait_for(house.caught_up(), 20)
        assert house.facts() >= {hook.fact.id for hook in late if hook.fact}
        assert keys(house.store) == {f"r{n}" for n in range(60)}
        assert verify(house.store).differences == []


async def test_a_store_in_trouble_is_left_alone_until_the_next_time(store_target: str) -> None:
    async with open_house(store_target, patience=0.2) as house:
        await live(house.store, life("old", "1", LONG_AGO))
        with house.locked():
            await asyncio.wait_for(worker(house).once(asyncio.Event()), 10)
        assert keys(house.store) == {"old"}
        await worker(house).once(asyncio.Event())
        assert keys(house.store) == set()


async def test_it_works_again_after_its_pause_and_ends_with_the_stop(
    store_target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "EVERY_S", 0.02)
    async with open_house(store_target) as house:
        stop = asyncio.Event()
        running = asyncio.create_task(worker(house).run(stop))
        for number in range(2):
            await live(house.store, life(f"old{number}", str(number), LONG_AGO))
            for _ in range(500):
                if not keys(house.store):
                    break
                await asyncio.sleep(0.01)
            assert not keys(house.store)
        stop.set()
        await asyncio.wait_for(running, 5)


async def test_a_pass_breaks_off_when_it_is_told_to_stop(
    store_target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "MOST_ROWS", 10)
    monkeypatch.setattr(retention, "_LEAST_REST_S", 60.0)
    async with open_house(store_target) as house:
        await live(house.store, *(life(f"r{n}", f"1{n}", LONG_AGO + n) for n in range(20)))
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.3, stop.set)
        await asyncio.wait_for(worker(house, Keep(tasks=30 * DAY)).once(stop), 10)
        assert 0 < len(keys(house.store)) < 20
        assert verify(house.store).differences == []
