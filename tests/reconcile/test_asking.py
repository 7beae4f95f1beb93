"""Which tasks are asked about, when, in what order, and how often again."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.reconcile.reconcile_env import POLICY, ReconcileEnv, minted, reconcile_env
from tests.reconcile.scripted import Scripted
from tests.simulation.loop import run

FAR = "2030-01-01 00:00:00"


def task(n: int, start: str = FAR, **fields: object) -> dict[str, object]:
    return {"id": str(n), "start_time_utc": start, **minted(f"r{n}"), **fields}


def asked(scheduler: Scripted, what: str = "task") -> list[str]:
    return [name for kind, name, _ in scheduler.asked if kind == what]


async def settled_in(it: ReconcileEnv, scheduler: Scripted) -> None:
    """The receiver has read everything; what is asked from now on is counted."""
    await it.tasks.once()
    scheduler.asked.clear()


def test_few_due_tasks_of_a_long_queue_are_asked_one_by_one(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        due = [task(n, "2026-03-02 12:01:00") for n in (1, 2)]
        scheduler.add("5", *due, *(task(n) for n in range(3, 251)))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await settled_in(it, scheduler)
            await it.pass_after(60 + 91)
            assert scheduler.count() == {"task": 2}

    run(story())


def test_many_due_tasks_of_a_short_queue_are_read_by_page(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", *(task(n, "2026-03-02 12:01:00") for n in range(1, 41)))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await settled_in(it, scheduler)
            await it.pass_after(60 + 91)
            assert scheduler.count() == {"list": 2}

    run(story())


def test_nothing_is_asked_before_a_task_is_overdue_by_its_own_plan(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", task(1, "2026-03-02 12:05:00"))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await settled_in(it, scheduler)
            await it.pass_after(300 + 85)  # a slow look at the store takes up to 2 s
            assert scheduler.count() == {}
            await it.pass_after(6)
            assert asked(scheduler) == ["5/1"]

    run(story())


def test_what_is_overdue_soonest_is_asked_first(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", task(1, "2026-03-02 12:03:00"))
        scheduler.add("6", task(2, "2026-03-02 12:01:00"), task(3, "2026-03-02 12:00:30"))
        scheduler.add("7", task(4, "2026-03-02 12:02:00"))
        for queue in ("6", "7"):
            scheduler.add(queue, *(task(n + int(queue) * 1000) for n in range(300)))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await settled_in(it, scheduler)
            await it.pass_after(600)
            assert asked(scheduler) == ["6/3", "6/2", "7/4", "5/1"]

    run(story())


def test_a_question_that_brings_nothing_new_is_asked_less_and_less_often(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", task(1, "2026-03-02 12:00:00"))
        times = []
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await settled_in(it, scheduler)
            began = it.clock.now()
            while it.clock.now() < began + 850:
                scheduler.asked.clear()
                await it.pass_after(5)
                if scheduler.asked:
                    times.append(it.clock.now() - began)
            gaps = [after - before for before, after in pairwise(times)]
            assert gaps == [pytest.approx(gap, abs=5) for gap in (60, 120, 240)]

    run(story())


def test_a_task_of_which_something_new_is_known_is_asked_anew(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", task(1, "2026-03-02 12:00:00"))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await settled_in(it, scheduler)
            for _ in range(3):
                await it.pass_after(120)
            scheduler.asked.clear()
            await it.hook("after")
            await it.pass_after(3)
            assert asked(scheduler) == ["5/1"]

    run(story())


def test_a_task_id_that_a_hook_claims_is_proven_by_asking(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5")
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await settled_in(it, scheduler)
            scheduler.add("5", task(1))
            await it.hook("before", task_id="1", scheduler_id="5")
            assert it.task()["task_id"] is None
            await it.pass_after(3)
            assert scheduler.count() == {"task": 1}
            assert it.task()["task_id"] == "1"

    run(story())


def test_a_false_claim_makes_nothing_gone_and_is_corrected_by_the_next_sweep(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", task(7, **minted("other")))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await settled_in(it, scheduler)
            scheduler.add("5", task(1))
            await it.hook("before", task_id="99", scheduler_id="5")
            await it.pass_after(91)
            assert it.task()["state"] == "executed"
            await it.pass_after(900)
            assert (it.task()["task_id"], it.task()["state"]) == ("1", "executed")
            assert it.facts("gone") == []

    run(story())


@pytest.mark.parametrize("claim", ["..", ".", "a/b", "x" * 5000, "é", "1 2"])
def test_a_claim_that_cannot_be_an_id_holds_up_nobody(tmp_path: Path, claim: str) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", task(1))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await settled_in(it, scheduler)
            await it.hook("before", ref="stray", task_id=claim, scheduler_id=claim)
            await it.fixed_hook("after", task_id=claim, scheduler_id=claim)
            scheduler.queues["5"]["1"] |= {"status": "finished", "finish_result": "failed"}
            await it.hook("after", ref="r1")
            assert (await it.pass_after(100)).failed == {}
            assert it.task()["confidence"] == "reconciled"
            assert it.queue_states() == {"5": "on"}

    run(story())


def test_a_hook_that_names_nothing_is_looked_for_in_all_queues_but_not_all_the_time(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        for queue in ("5", "6"):
            scheduler.add(queue, *(task(n + int(queue) * 1000) for n in range(10)))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await settled_in(it, scheduler)
            scheduler.add("6", task(1))
            await it.hook("before")
            await it.pass_after(91)
            assert set(asked(scheduler, "list")) == {"5", "6"}
            assert (it.task()["task_id"], it.task()["queue_id"]) == ("1", "6")
            scheduler.asked.clear()
            for n in range(100):
                await it.hook("before", ref=f"stray{n}")
                await it.pass_after(3)
            assert scheduler.count()["list"] <= 300 / 5

    run(story())


def test_a_task_that_only_its_hooks_know_is_looked_for_while_it_runs(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(hides_finished=True)
        scheduler.add("5")
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await settled_in(it, scheduler)
            scheduler.add("5", task(1, status="executed"))
            await it.clock.sleep(60)
            await it.hook("before")
            await it.pass_after(3)
            assert it.task()["task_id"] == "1"

    run(story())


def test_a_task_of_unknown_place_is_gone_only_if_every_queue_denies_it(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(hides_finished=True)
        scheduler.add("5", task(100))
        scheduler.add("6", {"id": "1", "status": "finished", "finish_result": "success"})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await settled_in(it, scheduler)
            await it.fixed_hook("after", task_id="1")
            await it.fixed_hook("after", task_id="2")
            await it.pass_after(3)
            await it.pass_after(40)
            assert (it.task("#1")["state"], it.task("#1")["queue_id"]) == ("finished", "6")
            assert it.task("#1")["finish_result"] == "success"
            assert it.task("#2")["gone"]

    run(story())


def test_a_task_without_a_place_is_not_gone_while_one_queue_does_not_answer(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", task(100))
        scheduler.add("6", task(200))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await settled_in(it, scheduler)
            scheduler.failing["task", "6/1"] = 500
            await it.fixed_hook("after", task_id="1")
            assert (await it.pass_after(3)).gone == 0
            assert not it.task("#1")["gone"]

    run(story())


def test_a_task_whose_record_names_no_queue_is_in_the_queue_that_lists_it(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", task(1, scheduler_id=None))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            assert it.task()["queue_id"] == "5"

    run(story())


def test_early_questions_wait_for_the_margin_of_their_purpose(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", task(1))
        policy = replace(POLICY, margins={**POLICY.margins, "confirm": 60.0})
        async with reconcile_env(tmp_path, scheduler.app, policy) as it:
            await settled_in(it, scheduler)
            await it.hook("after")
            await it.pass_after(50)
            assert scheduler.count() == {}
            await it.pass_after(20)
            assert scheduler.count() == {"task": 1}

    run(story())
