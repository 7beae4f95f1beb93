"""Whole queues, read by page."""

from pathlib import Path

import pytest

from receiver.errors import SchedulerUnreachableError
from receiver.reconcile.loop import TaskReconciler
from receiver.reconcile.memory import Unlinked
from receiver.reconcile.sweep import Sweeper
from tests.reconcile.reconcile_env import emulated, minted, reconcile_env
from tests.reconcile.scripted import Scripted
from tests.simulation.loop import run


def tasks(count: int, **fields: object) -> list[dict[str, object]]:
    return [{"id": str(n), **minted(f"r{n}"), **fields} for n in range(1, count + 1)]


def test_a_thousand_open_tasks_are_read_by_page_not_one_by_one(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path) as it:
            queue = await it.queue()
            for start in range(0, 1000, 50):
                await it.create(queue, *(f"r{n}" for n in range(start, start + 50)))
            report = await it.tasks.once(everything=True)
            assert (report.due, report.failed) == (1000, {})
            assert it.requests("list_queues", "list_tasks") <= 12
            assert it.requests("read_task") == 0
            assert it.sweep()["tasks"] == 1000

    run(story())


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
def test_every_task_of_a_queue_is_seen_whatever_the_number(tmp_path: Path, count: int) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", *tasks(count))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            assert (await it.tasks.once()).failed == {}
            assert len(it.facts("task")) == it.sweep()["tasks"] == count

    run(story())


def test_a_server_with_shorter_pages_than_asked_for_hides_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(cap=20)
        scheduler.add("5", *tasks(90))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            assert len(it.facts("task")) == it.sweep()["tasks"] == 90

    run(story())


def test_a_server_that_ignores_the_page_is_not_read_for_ever(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(ignores_page=True)
        scheduler.add("5", *tasks(30))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            assert (await it.tasks.once()).failed == {}
            assert scheduler.count()["list"] == 2
            assert it.sweep()["next_page"] == 1

    run(story())


def test_a_list_without_an_end_is_given_up_and_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5")
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            scheduler.is_endless = True
            await it.clock.sleep(1000)
            sweeper, last = Sweeper(it.context, Unlinked(it.context)), await it.context.sweeps()
            with pytest.raises(SchedulerUnreachableError):
                await sweeper.sweep("5", last.get("5"))
            assert scheduler.count()["list"] == 1 + 20
            assert it.sweep()["next_page"] == 1
            assert it.sweep()["completed_at"] < it.clock.now() - 900

    monkeypatch.setattr("receiver.reconcile.sweep.MAX_PAGES", 20)
    run(story())


def test_a_404_beyond_the_last_page_is_the_end_of_the_list_not_of_the_queue(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(ends_with_404=True)
        scheduler.add("5", *tasks(150))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            assert (await it.tasks.once()).failed == {}
            assert it.queue_states() == {"5": "on"}
            assert it.sweep()["tasks"] == 150
            assert it.sweep()["completed_at"] is not None

    run(story())


def test_a_sweep_that_failed_half_way_is_not_complete_and_goes_on_from_its_page(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(failing={("list", "page 3"): 500})
        scheduler.add("5", *tasks(350))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            report = await it.tasks.once()
            assert list(report.failed) == ["5"]
            assert report.swept == 0
            broken = it.sweep()
            assert (broken["next_page"], broken["completed_at"], broken["tasks"]) == (3, None, 200)
            assert "500" in broken["error"]
            scheduler.failing.clear()
            scheduler.asked.clear()
            assert (await it.pass_after(1)).swept == 1
            assert [page for what, _, page in scheduler.asked if what == "list"] == ["3", "4", "5"]
            whole = it.sweep()
            assert (whole["next_page"], whole["error"], whole["tasks"]) == (1, None, 350)
            assert whole["started_at"] == broken["started_at"] < whole["completed_at"]

    run(story())


def test_a_restart_in_between_goes_on_from_the_page_as_well(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(failing={("list", "page 3"): 500})
        scheduler.add("5", *tasks(350))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            scheduler.failing.clear()
            scheduler.asked.clear()
            it.restart()
            await it.tasks.once()
            assert [page for what, _, page in scheduler.asked if what == "list"] == ["3", "4", "5"]
            assert len(it.facts("task")) == it.sweep()["tasks"] == 350
            assert scheduler.count()["task"] == 0

    run(story())


def test_a_sweep_that_fails_counts_as_failed_and_moves_no_success(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(failing={("list", "page 1"): 500})
        scheduler.add("5", *tasks(3))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()

            def sample(name: str, **labels: str) -> float | None:
                return it.metrics.registry.get_sample_value(name, labels)

            assert sample("callback_reconcile_sweeps_total", outcome="failed") == 1
            assert not sample("callback_reconcile_sweeps_total", outcome="complete")
            assert not it.metrics.last_sweep.labels("north")._value.get()

    run(story())


def test_a_list_that_hides_finished_tasks_makes_nothing_vanish(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(hides_finished=True)
        scheduler.add("5", *tasks(3))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            scheduler.queues["5"]["2"] |= {"status": "finished", "finish_result": "success"}
            report = await it.tasks.once(everything=True)
            assert (report.asked, report.gone) == (1, 0)
            assert [name for what, name, _ in scheduler.asked if what == "task"] == ["5/2"]
            assert it.task("r2")["finish_result"] == "success"

    run(story())


def test_only_a_404_of_its_own_makes_a_task_gone(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", *tasks(3))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            del scheduler.queues["5"]["2"]
            scheduler.failing["task", "5/2"] = 500
            assert (await it.tasks.once(everything=True)).gone == 0
            assert it.task("r2")["state"] == "scheduled"
            scheduler.failing.clear()
            assert (await it.tasks.once(everything=True)).gone == 1
            assert it.task("r2")["state"] == "gone"
            assert {it.task(key)["state"] for key in ("r1", "r3")} == {"scheduled"}

    run(story())


def test_a_queue_that_is_gone_takes_its_tasks_with_it_by_their_own_404(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", *tasks(3))
        scheduler.add("6", {"id": "9", **minted("r9")})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            gone = scheduler.queues.pop("5")
            assert (await it.tasks.once(everything=True)).gone == len(gone)
            assert it.queue_states() == {"5": "gone", "6": "on"}
            assert it.task("r9")["state"] == "scheduled"
            name = next(row for row in it.facts("queue") if '"gone"' in row["said"])
            assert '"name": "q"' in name["said"]
            scheduler.asked.clear()
            await it.pass_after(1000)
            assert {name for what, name, _ in scheduler.asked if what == "list"} == {"6"}

    run(story())


def test_a_new_worker_sweeps_only_what_is_stale(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", *tasks(3, start_time_utc="2030-01-01 00:00:00"))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            await it.clock.sleep(100)
            assert (await TaskReconciler(it.context).once()).swept == 0
            await it.clock.sleep(900)
            assert (await TaskReconciler(it.context).once()).swept == 1

    run(story())


def test_a_clock_put_back_keeps_no_queue_from_being_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", *tasks(3, start_time_utc="2030-01-01 00:00:00"))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            ahead = it.clock.now
            monkeypatch.setattr(it.clock, "now", lambda: ahead() - 86_400)
            scheduler.add("6")
            report = await it.pass_after(10)
            assert report.swept == 2

    run(story())
