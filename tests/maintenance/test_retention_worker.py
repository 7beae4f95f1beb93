"""The worker: beside hooks, through trouble, until it is stopped."""

import asyncio

import pytest

from receiver.maintenance import retention
from receiver.maintenance.retention import RetentionRules, RetentionWorker
from receiver.runtime.clock import WallClock
from tests.ledger.ledger_env import LedgerEnv, open_ledger_env
from tests.ledger.projecting import PROJECTOR, verify
from tests.maintenance.lives import DAY, arrival, keys, life, live, rows

pytestmark = pytest.mark.anyio

KEEP = RetentionRules(deliveries=30 * DAY, set_aside=30 * DAY, tasks=30 * DAY)
LONG_AGO = 1_000_000.0


def worker(ledger_env: LedgerEnv, keep: RetentionRules = KEEP) -> RetentionWorker:
    return RetentionWorker(ledger_env.store, PROJECTOR, keep, WallClock(), ledger_env.metrics)


def counted(ledger_env: LedgerEnv) -> dict[str, float]:
    kinds = ("delivery", "set_aside", "task", "fact", "finding", "link", "outcome")
    return {kind: ledger_env.sample("retention_deleted_total", kind=kind) for kind in kinds}


async def test_hooks_are_taken_in_while_the_old_goes(
    store_target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "MOST_ROWS", 40)
    now = WallClock().now()
    async with open_ledger_env(store_target) as ledger_env:
        await live(ledger_env.store, *(life(f"old{n}", f"1{n}", LONG_AGO + n) for n in range(30)))
        pruning = asyncio.create_task(worker(ledger_env).once(asyncio.Event()))
        sent = 0
        while not pruning.done():
            some = [arrival((f"new{sent + n}", None), "before", now, n) for n in range(5)]
            await asyncio.wait_for(asyncio.gather(*map(ledger_env.accept, some)), 10)
            sent += 5
        await pruning
        await asyncio.wait_for(ledger_env.caught_up(), 20)
        assert sent >= 20
        assert keys(ledger_env.store) == {f"new{n}" for n in range(sent)}
        assert rows(ledger_env.store) == {
            "delivery": sent,
            "fact": sent,
            "link": 0,
            "finding": 0,
            "task": sent,
        }
        assert counted(ledger_env) == {
            "delivery": 90,
            "set_aside": 0,
            "task": 30,
            "fact": 150,
            "finding": 30,
            "link": 30,
            "outcome": 180,
        }
        assert verify(ledger_env.store).differences == []


async def test_late_hooks_of_the_very_tasks_that_go_are_kept(store_target: str) -> None:
    async with open_ledger_env(store_target) as ledger_env:
        await live(ledger_env.store, *(life(f"r{n}", f"1{n}", LONG_AGO + n) for n in range(60)))
        late = [arrival((f"r{n}", None), "after", WallClock().now(), n) for n in range(60)]

        async def come_late() -> None:
            for hook in late:
                await ledger_env.accept(hook)

        await asyncio.wait_for(asyncio.gather(worker(ledger_env).once(asyncio.Event()), come_late()), 30)
        await asyncio.wait_for(ledger_env.caught_up(), 20)
        assert ledger_env.facts() >= {hook.fact.id for hook in late if hook.fact}
        assert keys(ledger_env.store) == {f"r{n}" for n in range(60)}
        assert verify(ledger_env.store).differences == []


async def test_a_store_in_trouble_is_left_alone_until_the_next_time(store_target: str) -> None:
    async with open_ledger_env(store_target, timeout_s=0.2) as ledger_env:
        await live(ledger_env.store, life("old", "1", LONG_AGO))
        with ledger_env.locked():
            await asyncio.wait_for(worker(ledger_env).once(asyncio.Event()), 10)
        assert keys(ledger_env.store) == {"old"}
        await worker(ledger_env).once(asyncio.Event())
        assert keys(ledger_env.store) == set()


async def test_it_works_again_after_its_pause_and_ends_with_the_stop(
    store_target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "EVERY_S", 0.02)
    async with open_ledger_env(store_target) as ledger_env:
        stop = asyncio.Event()
        running = asyncio.create_task(worker(ledger_env).run(stop))
        for number in range(2):
            await live(ledger_env.store, life(f"old{number}", str(number), LONG_AGO))
            for _ in range(500):
                if not keys(ledger_env.store):
                    break
                await asyncio.sleep(0.01)
            assert not keys(ledger_env.store)
        stop.set()
        await asyncio.wait_for(running, 5)


async def test_a_pass_breaks_off_when_it_is_told_to_stop(
    store_target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "MOST_ROWS", 10)
    monkeypatch.setattr(retention, "_LEAST_REST_S", 60.0)
    async with open_ledger_env(store_target) as ledger_env:
        await live(ledger_env.store, *(life(f"r{n}", f"1{n}", LONG_AGO + n) for n in range(20)))
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.3, stop.set)
        await asyncio.wait_for(worker(ledger_env, RetentionRules(tasks=30 * DAY)).once(stop), 10)
        assert 0 < len(keys(ledger_env.store)) < 20
        assert verify(ledger_env.store).differences == []
