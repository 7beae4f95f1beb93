"""How a task's account is closed, and that truth never moves backwards."""

import asyncio
from pathlib import Path

import pytest

from receiver.tasks.tables import TASK
from tests.reconcile.reconcile_env import POLICY, emulated, minted, reconcile_env
from tests.reconcile.scripted import Scripted
from tests.simulation.loop import run

GRACE = POLICY.margins["settle"]
ENDED = {"id": "1", "status": "finished", "finish_result": "failed", **minted("r1")}


def test_a_task_is_settled_only_after_the_time_for_late_hooks(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", ENDED)
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.hook("before")
            await it.tasks.once()
            await it.pass_after(GRACE - 10)
            await it.tasks.once(everything=True)
            assert (it.task()["settled"], it.task()["lost"]) == (False, {})
            await it.pass_after(11)
            assert (it.task()["settled"], it.task()["lost"]) == (True, {"after": 1})

    run(story())


def test_a_hook_within_the_grace_was_never_lost(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", ENDED)
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.hook("before")
            await it.tasks.once()
            await it.clock.sleep(GRACE - 10)
            await it.hook("after")
            await it.pass_after(GRACE)
            assert (it.task()["settled"], it.task()["lost"]) == (True, {})
            assert it.findings("anomaly") == {}

    run(story())


def test_a_hook_that_comes_after_all_is_counted_back(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", ENDED)
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            await it.pass_after(GRACE + 1)
            assert it.task()["lost"] == {"before": 1, "after": 1}
            assert it.findings("drift") == {"silent": 1}
            await it.hook("after")
            assert it.task()["lost"] == {"before": 1}
            assert (it.findings("drift"), it.findings("anomaly")) == ({}, {"late": 1})
            scheduler.asked.clear()
            await it.pass_after(60)
            assert scheduler.count() == {}

    run(story())


def test_a_task_is_not_settled_while_the_api_has_not_confirmed_its_end(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(failing={("task", "5/1"): 500, ("list", "5"): 500})
        scheduler.add("5", ENDED)
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.hook("after", finish_result="failed")
            await it.work(3 * GRACE)
            assert (it.task()["settled"], it.task()["confidence"]) == (False, "events")
            scheduler.failing.clear()
            await it.work(120)
            assert it.task()["confidence"] == "reconciled"

    run(story())


def test_an_early_callback_is_not_overwritten_by_an_answer_that_comes_late(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", {"id": "1", "status": "executed", **minted("r1")})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            scheduler.slow = 5.0
            asking = asyncio.create_task(it.tasks.once())
            while scheduler.count()["list"] == 0:
                await it.clock.sleep(0.1)
            await it.hook("success")
            await it.hook("after", finish_result="success")
            await asking
            assert len(it.facts("task")) == 1
            assert (it.task()["state"], it.task()["finish_result"]) == ("finished", "success")
            assert it.findings("anomaly") == {}

    run(story())


@pytest.mark.parametrize("what", ["list", "task"])
def test_an_answer_as_old_as_its_question_does_not_take_back_the_next_attempt(
    tmp_path: Path, what: str
) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", {"id": "1", "status": "scheduled", "try_count": 3, **minted("r1")})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            await it.hook("before")
            await it.clock.sleep(100)
            scheduler.queues["5"]["1"] |= {"status": "delayed", "cdr": "c1"}
            scheduler.slow = 5.0
            scheduler.asked.clear()
            asking = asyncio.create_task(it.tasks.once(everything=what == "list"))
            while scheduler.count()[what] == 0:
                await it.clock.sleep(0.1)
            await it.hook("before_again")
            await asking
            assert it.task()["cdr"] == "c1"
            assert it.task()["state"] == "executed"

    run(story())


def test_a_restart_of_everything_settles_nothing_twice(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path, answer_rate=0.5) as it:
            await it.create(await it.queue(), "r1", "r2", "r3", start_time_utc=60, try_count=3)
            for _ in range(20):
                it.restart()
                await it.work(100)
            assert len(it.facts("settled")) == 3
            assert {row["settled"] for row in it.rows(TASK)} == {True}

    run(story())
