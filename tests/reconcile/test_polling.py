"""However much is due: a pass takes a part of it, nothing is forgotten, nothing is asked again at once."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from receiver.domain.facts import Fact, HookEvent, TaskSnapshot, hook_fact, observation
from receiver.reconcile.policy import Policy
from receiver.tasks.tables import TASK
from tests.reconcile.reconcile_env import POLICY, ReconcileEnv, minted, reconcile_env
from tests.reconcile.scripted import Scripted
from tests.simulation.loop import run

LONG_AGO = 1_100_000_000.0


def few(batch: int) -> Policy:
    """Queues are read through only where that is the better way, or a test begins."""
    return replace(POLICY, batch=batch, sweep_every=1e9)


def known(n: int, queue: str = "5", start_at: float = LONG_AGO) -> Fact:
    """The API has said of a task that it should have moved by `start_at`."""
    return observation(
        "north", 1.0, TaskSnapshot("scheduled", queue, try_count=1, start_at=start_at), (f"r{n}", str(n))
    )


def ended(n: int) -> Fact:
    """The API has said that a task ended with a call."""
    said = TaskSnapshot("finished", "5", finish_result="failed", cdr=f"call{n}", try_count=1)
    return observation("north", 1.0, said, (f"r{n}", str(n)))


def before(n: int, at: float, **said: Any) -> Fact:
    """All that is known of a task is a hook."""
    return hook_fact("north", f"before{n}", at, HookEvent("before", **said), (f"r{n}", None))


async def begin(it: ReconcileEnv, facts: Iterable[Fact], lists: int = 10**6) -> None:
    """The receiver knows these facts, and its queues; it thinks that they are long, so that it asks for tasks
    one by one.
    """
    await it.tasks.once()
    for sweep in (await it.context.sweeps()).values():
        await it.context.save_sweep({**sweep._mapping, "tasks": lists})
    await it.context.ledger.record(list(facts))


def named(scheduler: Scripted, what: str = "task") -> Counter[str]:
    """How often was asked for what."""
    return Counter(name for kind, name, _ in scheduler.asked if kind == what)


def listed(n: int, start_at: float = LONG_AGO, **fields: Any) -> dict[str, Any]:
    start = datetime.fromtimestamp(start_at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return {"id": str(n), "start_time_utc": start, **minted(f"r{n}"), **fields}


def test_a_pass_asks_about_a_part_and_the_next_ones_about_the_rest(store_target: str) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5")
        async with reconcile_env(store_target, scheduler.app, few(10)) as it:
            await begin(it, [known(n, start_at=LONG_AGO + n) for n in range(35)])
            scheduler.add("5", *(listed(n, LONG_AGO + n) for n in range(35)))
            scheduler.asked.clear()
            reports = [await it.tasks.once() for _ in range(5)]
            assert [report.due for report in reports] == [10, 10, 10, 5, 0]
            assert sorted(list(named(scheduler))[:10]) == sorted(f"5/{n}" for n in range(10))
            assert named(scheduler) == {f"5/{n}": 1 for n in range(35)}

    run(story())


def test_many_of_one_queue_are_asked_about_by_reading_it_once(store_target: str) -> None:
    async def story() -> None:
        scheduler = Scripted()
        async with reconcile_env(store_target, scheduler.app, few(10)) as it:
            soon = it.clock.now() + 60
            scheduler.add("5", *(listed(n, soon) for n in range(1_100)))
            await it.tasks.once()
            scheduler.asked.clear()
            reports = [await it.pass_after(160), await it.tasks.once(), await it.tasks.once()]
            assert [report.due for report in reports] == [10, 0, 0]
            assert scheduler.count() == {"list": 12}
            assert {row["asks"] for row in it.rows(TASK)} == {1}

    run(story())


def test_a_restart_remembers_what_was_asked(store_target: str) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5")
        async with reconcile_env(store_target, scheduler.app, few(10)) as it:
            await begin(it, [known(1)])
            scheduler.add("5", listed(1))
            times = []
            began = it.clock.now()
            while it.clock.now() < began + 500:
                scheduler.asked.clear()
                await it.tasks.once()
                if scheduler.count()["task"]:
                    times.append(it.clock.now() - began)
                it.restart()
                await it.clock.sleep(5)
            assert times == [pytest.approx(at, abs=15) for at in (0, 60, 180, 420)]

    run(story())


def test_a_queue_that_fails_leaves_room_for_others_and_gets_its_turn(store_target: str) -> None:
    async def story() -> None:
        scheduler = Scripted()
        for queue in ("5", "6", "7"):
            scheduler.add(queue)
        async with reconcile_env(store_target, scheduler.app, few(10)) as it:
            await begin(it, [known(n) for n in range(50)], lists=100)
            await it.context.ledger.record([known(n, "6", LONG_AGO + 1) for n in range(100, 115)])
            await it.context.ledger.record([known(n, "7", LONG_AGO + 2) for n in range(200, 203)])
            for queue, numbers in (("5", range(50)), ("6", range(100, 115)), ("7", range(200, 203))):
                scheduler.add(queue, *(listed(n) for n in numbers))
            scheduler.failing = {("list", "5"): 500, ("list", "6"): 500}
            for _ in range(4):
                assert (await it.pass_after(1)).failed
            assert {row["asks"] for row in it.rows(TASK) if row["queue_id"] == "7"} == {1}
            assert {row["asks"] for row in it.rows(TASK) if row["queue_id"] != "7"} == {0}
            del scheduler.failing["list", "6"]
            for _ in range(2):
                await it.pass_after(1)
            assert {row["asks"] for row in it.rows(TASK) if row["queue_id"] == "6"} == {1}
            assert (await it.pass_after(1)).failed
            scheduler.failing.clear()
            await it.pass_after(1)
            assert {row["asks"] for row in it.rows(TASK)} == {1}
            assert not (await it.pass_after(1)).failed

    run(story())


def test_a_queue_in_trouble_where_nothing_is_due_has_no_turn(store_target: str) -> None:
    async def story() -> None:
        scheduler = Scripted(failing={("task", f"5/{n}"): 500 for n in range(9)})
        for queue in ("5", "6"):
            scheduler.add(queue)
        policy = replace(few(10), waits={**POLICY.waits, "progress": 900.0})
        async with reconcile_env(store_target, scheduler.app, policy) as it:
            await begin(it, [known(n, start_at=LONG_AGO + n) for n in range(9)])
            await it.context.ledger.record([known(100, "6", start_at=1.0)])
            scheduler.failing["task", "6/100"] = 500
            assert list((await it.tasks.once()).failed) == ["6", "5"]
            scheduler.failing.clear()
            scheduler.asked.clear()
            await it.tasks.once()
            assert len(named(scheduler)) >= 5
            assert {row["asks"] for row in it.rows(TASK) if row["state"] != "gone"} == {1}

    run(story())


def test_only_what_was_really_tried_is_asked_again_later(store_target: str) -> None:
    async def story() -> None:
        scheduler = Scripted(failing={("task", f"5/{n}"): 500 for n in range(9)})
        scheduler.add("5")
        async with reconcile_env(store_target, scheduler.app, few(10)) as it:
            await begin(it, [known(n, start_at=LONG_AGO + n) for n in range(9)])
            assert (await it.tasks.once()).failed
            tried = {f"r{name[2:]}" for name in named(scheduler)}
            assert 1 <= len(tried) <= 4
            assert {row["key"] for row in it.rows(TASK) if row["asks"] == 1} == tried
            assert {row["ask_at"] for row in it.rows(TASK) if row["key"] not in tried} < {
                LONG_AGO + n for n in range(9)
            }

    run(story())


def test_tasks_that_can_only_wait_for_a_search_leave_room_for_others(store_target: str) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5")
        async with reconcile_env(store_target, scheduler.app, few(10)) as it:
            await begin(it, [], lists=1_000)
            scheduler.add("5", listed(99))
            began = it.clock.now()
            await it.context.ledger.record([before(n, began) for n in range(30)])
            await it.context.ledger.record([before(99, began + 1, task_id="99", queue_id="5")])
            scheduler.asked.clear()
            for _ in range(5):
                await it.pass_after(3)
            assert scheduler.count() == {"task": 1}
            assert it.task("r99")["task_id"] == "99"
            scheduler.add("5", *(listed(n) for n in range(30)))
            await it.pass_after(60)
            assert {row["task_id"] for row in it.rows(TASK)} == {*map(str, range(30)), "99"}

    run(story())


def test_with_everything_each_batch_is_asked_about_once(store_target: str) -> None:
    async def story() -> None:
        scheduler = Scripted(hides_finished=True)
        scheduler.add("5")
        async with reconcile_env(store_target, scheduler.app, few(10)) as it:
            await begin(it, [known(n, start_at=1e10 * (n % 2)) for n in range(25)])
            scheduler.add("5", *(listed(n, status="finished", finish_result="failed") for n in range(25)))
            scheduler.asked.clear()
            report = await it.tasks.once(everything=True)
            assert (report.due, report.asked, report.swept) == (25, 25, 1)
            assert named(scheduler) == {f"5/{n}": 1 for n in range(25)}
            assert scheduler.count()["list"] == 1
            assert {row["confidence"] for row in it.rows(TASK)} == {"reconciled"}
            await it.clock.sleep(1_000)
            assert (await it.tasks.once()).settled == 25

    run(story())


@pytest.mark.parametrize("everything", [False, True])
def test_calls_are_asked_for_in_parts_too(store_target: str, everything: bool) -> None:
    async def story() -> None:
        scheduler = Scripted(
            calls={f"call{n}": {"call_uuid": f"call{n}", "result": "busy"} for n in range(1, 25)}
        )
        async with reconcile_env(store_target, scheduler.app, few(10)) as it:
            await it.context.ledger.record([ended(n) for n in range(25)])
            reports = [await it.calls.once(everything) for _ in range(1 if everything else 4)]
            assert [report.due for report in reports] == ([25] if everything else [10, 10, 5, 0])
            assert named(scheduler, "call") == {f"call{n}": 1 for n in range(25)}
            assert [(row["key"], row["asks"]) for row in it.rows(TASK) if row["due_for"] == "call"] == [
                ("r0", 1)
            ]

    run(story())
