"""What the API refuses, answers badly or denies for a moment must stop no more than itself."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from receiver.reconcile.loop import TaskReconciler
from receiver.reconcile.memory import LASTS_S
from receiver.tasks.tables import TASK
from tests.reconcile.reconcile_env import POLICY, ReconcileEnv, emulated, minted, reconcile_env
from tests.reconcile.scripted import Scripted
from tests.reconcile.test_calls import OTHER, UUID, calls_after, ended, record
from tests.simulation.loop import run

GRACE = POLICY.margins["settle"]


def missing(it: ReconcileEnv) -> int:
    return sum('"found": false' in row["said"] for row in it.facts("call"))


@pytest.mark.parametrize("status", [400, 403, 451])
def test_an_account_without_the_right_to_call_history_settles_its_tasks(tmp_path: Path, status: int) -> None:
    async def story() -> None:
        scheduler = Scripted(failing={("call", ""): status})
        tasks = [ended(str(n), f"r{n}", f"{n:08}-8b86-d011-b42d-00cf4fc964ff") for n in range(20)]
        scheduler.add("5", *tasks)
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.work(3 * GRACE)
            assert {row["settled"] for row in it.rows(TASK)} == {True}
            assert {row["due_for"] for row in it.rows(TASK)} == {None}
            assert missing(it) == 20

    run(story())


def test_an_account_without_the_right_to_call_history_does_not_spend_its_quota_on_it(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(failing={("call", ""): 403})
        scheduler.add("5")
        async with reconcile_env(tmp_path, scheduler.app) as it:
            for n in range(20):
                scheduler.add("5", ended(str(n), f"r{n}", f"{n:08}-8b86-d011-b42d-00cf4fc964ff"))
                await it.hook("after", f"r{n}")
                await it.pass_after(60)
                await it.calls.once()
            await calls_after(it, *(60.0 for _ in range(8)))
            assert missing(it) == 20
            assert scheduler.count()["call"] <= 15 + 6 * 8 * 2

    run(story())


def test_a_right_that_is_given_later_is_used(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(failing={("call", ""): 403})
        scheduler.add("5", *(ended(str(n), f"r{n}", f"{n:08}-0") for n in range(5)))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.work(GRACE)
            scheduler.failing.clear()
            scheduler.calls[UUID] = record()
            scheduler.add("5", ended("9", "r9"))
            await it.hook("after", "r9")
            await it.work(30)
            assert [row["said"] for row in it.facts("call") if '"result": "busy"' in row["said"]] != []

    run(story())


@pytest.mark.parametrize("status", [500, 503])
def test_a_task_is_settled_while_call_history_does_not_answer(tmp_path: Path, status: int) -> None:
    async def story() -> None:
        scheduler = Scripted(failing={("call", ""): status})
        scheduler.add("5", *(ended(str(n), f"r{n}", f"{n:08}-0") for n in range(3)))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.work(2 * GRACE)
            assert {(row["settled"], row["due_for"]) for row in it.rows(TASK)} == {(True, "call")}
            scheduler.failing.clear()
            scheduler.calls = {f"{n:08}-0": record(f"{n:08}-0") for n in range(3)}
            await it.work(1000)
            assert {(row["settled"], row["due_for"]) for row in it.rows(TASK)} == {(True, None)}
            assert {row["reason"] for row in it.rows(TASK)} == {"busy"}

    run(story())


def test_a_call_history_that_does_not_answer_for_days_has_no_record(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(failing={("call", UUID): 500})
        scheduler.add("5", ended())
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            await calls_after(it, *(3600.0 for _ in range(20)))
            assert missing(it) == 0
            it.restart()
            await calls_after(it, *(3600.0 for _ in range(10)))
            assert missing(it) == 1

    run(story())


def test_asks_in_vain_are_counted_for_each_task_and_call(tmp_path: Path) -> None:
    """Two tasks name the same call."""

    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", ended("1", "r1"), ended("2", "r2"))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            await calls_after(it, *(900.0 for _ in range(4)))
            assert missing(it) == 0
            await calls_after(it, *(900.0 for _ in range(3)))
            assert scheduler.count()["call"] == 14
            assert missing(it) == 2

    run(story())


def test_a_call_that_always_fails_keeps_no_other_of_its_task_from_its_turn(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(calls={OTHER: record(OTHER)}, failing={("call", UUID): 500})
        scheduler.add("5", ended())
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            await it.hook("after", cdr=OTHER)
            await calls_after(it, 0)
            assert len(it.facts("call")) == 1

    run(story())


def test_a_task_that_is_refused_keeps_no_other_from_its_turn(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(hides_finished=True)
        tasks = [{"id": str(n), **minted(f"r{n}")} for n in range(9)]
        scheduler.add("5", *tasks)
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            for n in range(9):
                scheduler.queues["5"][str(n)] |= {"status": "finished", "finish_result": "failed"}
                scheduler.failing["task", f"5/{n}"] = 403
            del scheduler.failing["task", "5/8"]
            await it.pass_after(2000)
            assert it.task("r8")["confidence"] == "reconciled"

    run(story())


async def begin(it: ReconcileEnv, scheduler: Scripted) -> None:
    """One task that runs, so that it is asked for."""
    await it.tasks.once()
    await it.hook("before")
    await it.clock.sleep(100)
    scheduler.asked.clear()


def test_a_momentary_404_of_a_task_is_not_believed(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        task = {"id": "1", **minted("r1")}
        scheduler.add("5", task)
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await begin(it, scheduler)
            scheduler.failing["task", "5/1"] = 404
            await it.tasks.once()
            assert scheduler.count()["task"] == 1
            scheduler.failing.clear()
            await it.work(600)
            assert (it.task()["gone"], it.facts("gone")) == (False, [])

    run(story())


def test_a_404_of_a_task_that_comes_and_goes_is_not_believed(tmp_path: Path) -> None:
    """One of two replicas does not have it."""

    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", {"id": "1", **minted("r1")})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await begin(it, scheduler)
            for _ in range(6):
                scheduler.failing["task", "5/1"] = 404
                await it.pass_after(1000)
                scheduler.failing.clear()
                await it.pass_after(1000)
            assert it.facts("gone") == []

    run(story())


def test_a_404_of_a_task_that_lasts_is_believed(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", {"id": "1", **minted("r1")})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await begin(it, scheduler)
            del scheduler.queues["5"]["1"]
            await it.work(LASTS_S + 120)
            assert it.task()["gone"]

    run(story())


def test_a_momentary_404_of_the_first_page_is_no_end_of_the_queue(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", {"id": "1", **minted("r1")})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            scheduler.failing["list", "5"] = 404
            await it.clock.sleep(1000)
            assert "404" in (await it.tasks.once()).failed["5"]
            assert it.queue_states() == {"5": "on"}
            scheduler.failing.clear()
            await it.work(60)
            assert (it.queue_states(), it.facts("gone")) == ({"5": "on"}, [])

    run(story())


def test_one_command_waits_until_it_can_believe_a_404(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", {"id": "1", **minted("r1")})
        scheduler.add("6")
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            scheduler.queues["5"].clear()
            del scheduler.queues["6"]
            report = await TaskReconciler(it.context).once(everything=True)
            assert (report.failed, report.gone) == ({}, 1)
            assert it.task()["gone"]
            assert it.queue_states() == {"5": "on", "6": "gone"}

    run(story())


def test_one_command_asks_again_although_its_pass_ended_long_after_the_404(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", {"id": "1", **minted("r1")})
        scheduler.add("7", {"id": "2", **minted("r2")})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            scheduler.queues["5"].clear()
            scheduler.slow = 29.0
            report = await TaskReconciler(it.context).once(everything=True)
            assert (report.failed, report.gone) == ({}, 1)

    run(story())


@pytest.mark.parametrize("broken", [{"id": None, "name": "x"}, "x", {"id": "a b"}])
def test_one_broken_record_does_not_spoil_a_sweep(tmp_path: Path, broken: Any) -> None:
    async def story() -> None:
        scheduler = Scripted(broken=[broken])
        scheduler.add("5", *({"id": str(n), **minted(f"r{n}")} for n in range(30)))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            with capture_logs() as logs:
                report = await it.tasks.once()
            assert (report.failed, report.swept) == ({}, 1)
            assert (it.sweep()["tasks"], it.sweep()["error"]) == (30, "complete but for 1")
            assert len(it.rows(TASK)) == 30
            sample = it.metrics.registry.get_sample_value
            assert sample("callback_scheduler_broken_records_total", {"kind": "task"}) == 1
            assert sample("callback_reconcile_sweeps_total", {"outcome": "partial"}) == 1
            assert [log["count"] for log in logs if "cannot be read" in log["event"]] in ([1], [])
            scheduler.broken.clear()
            await it.pass_after(1000)
            assert it.sweep()["error"] is None

    run(story())


def test_a_task_that_was_deleted_before_its_id_was_learnt_ends(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path) as it:
            await it.queue()
            await it.create(await it.queue("other"), "r2", start_time_utc=86_400)
            await it.work(60)
            await it.hook("before", "r1")
            await it.work(600)
            assert not it.task("r1")["gone"]
            await it.work(3600)
            assert (it.task("r1")["state"], it.task("r1")["settled"]) == ("gone", True)
            assert not it.task("r2")["gone"]

    run(story())


def test_a_task_whose_end_was_heard_of_and_whose_id_was_never_learnt_keeps_its_end(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5")
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.work(60)
            await it.hook("before")
            await it.hook("after", finish_result="failed")
            for _ in range(12):
                await it.pass_after(300)
            row = it.task()
            assert (row["state"], row["finish_result"], row["settled"]) == ("finished", "failed", True)

    run(story())


@pytest.mark.parametrize("why", ["ignores_page", "broken", "is_mute", "failing"])
def test_lists_that_do_not_show_everything_end_no_task(tmp_path: Path, why: str) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", *({"id": str(n), **minted(f"q{n}")} for n in range(30)))
        scheduler.add("6", {"id": "99"})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.work(60)
            if why == "broken":
                scheduler.broken = ["x"]
            elif why == "failing":
                scheduler.failing["list", "6"] = 500
            else:
                setattr(scheduler, why, True)
            await it.hook("before")
            for _ in range(12):
                await it.pass_after(450)
            assert not it.task()["gone"]

    run(story())


def test_a_task_is_linked_by_the_id_that_its_hooks_name_where_no_url_is_echoed(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(is_mute=True)
        scheduler.add("5", *({"id": str(n), **minted(f"r{n}")} for n in range(3)))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            await it.hook("before", "r1", task_id="1")
            await it.work(120)
            assert (it.task("r1")["task_id"], it.task("r1")["queue_id"]) == ("1", "5")
            scheduler.queues["5"]["1"] |= {"status": "Finished", "finish_result": "Failed"}
            await it.hook("after", "r1", task_id="1")
            await it.work(2 * GRACE)
            row = it.task("r1")
            assert (row["finish_result"], row["confidence"], row["settled"]) == ("failed", "reconciled", True)
            assert {row["key"] for row in it.rows(TASK)} == {"r1", "#0", "#2"}

    run(story())


def test_a_task_is_linked_by_its_creation_where_no_url_is_echoed(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(is_mute=True)
        scheduler.add("5")
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.create("5", "r1", "r2", name="call back")
            assert {row["key"]: row["task_id"] for row in it.rows(TASK)} == {"r1": "1000", "r2": "1001"}
            scheduler.queues["5"]["1001"] |= {"status": "finished", "finish_result": "failed"}
            await it.hook("before", "r2")
            await it.work(2 * GRACE)
            assert it.task("r2")["lost"] == {"after": 1}

    run(story())


@pytest.mark.parametrize("word", ["Finished", "FINISHED", " finished"])
def test_a_status_in_capitals_ends_a_task(tmp_path: Path, word: str) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", {"id": "1", "status": word, "finish_result": "SUCCESS", **minted("r1")})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            assert (it.task()["state"], it.task()["finish_result"]) == ("finished", "success")

    run(story())
