"""What was too old to be kept is not begun anew because the scheduler still lists it."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from receiver.maintenance.retention import Pruning, RetentionRules
from receiver.tasks.tables import TASK
from tests.ledger.projecting import PROJECTOR, verify
from tests.reconcile.reconcile_env import POLICY, ReconcileEnv, emulated, reconcile_env
from tests.reconcile.scripted import Scripted
from tests.simulation.loop import SimulatedClock, run

DAY = 86_400.0
KEEPING = replace(POLICY, keep=DAY)


async def prune(it: ReconcileEnv) -> Counter[str]:
    batches = Pruning(it.store, PROJECTOR, RetentionRules(tasks=DAY), it.clock.now()).batches()
    return sum([batch.deleted async for batch in batches], Counter())


def keys(it: ReconcileEnv) -> set[str]:
    return {row["key"] for row in it.rows(TASK)}


def test_a_task_that_was_deleted_stays_so_though_it_is_listed(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path, KEEPING) as it:
            queue = await it.queue()
            await it.create(queue, "r1", start_time_utc=60)
            await it.create(queue, "r2", start_time_utc=3 * 86_400)
            await it.work(2 * 3600.0)
            assert it.task("r1")["settled"]
            await it.clock.sleep(DAY)
            assert (await prune(it))["task"] == 1
            await it.tasks.once(everything=True)
            assert it.requests("list_tasks") > 0
            assert keys(it) == {"r2"}
            assert verify(it.store).differences == []

    run(story())


def test_only_what_ended_unknown_and_long_ago_is_passed_over(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        over = {"status": "finished", "finish_result": "success"}
        now = SimulatedClock().now()
        long_ago, lately = str(int(now - 2 * DAY)), str(int(now - DAY / 2))
        scheduler.add(
            "5",
            {"id": "old", "start_time_utc": long_ago, **over},
            {"id": "young", "start_time_utc": lately, **over},
            {"id": "undated", **over},
            {"id": "open", "start_time_utc": long_ago, "status": "executed"},
        )
        async with reconcile_env(tmp_path, scheduler.app, KEEPING) as it:
            await it.tasks.once()
            assert keys(it) == {"#young", "#undated", "#open"}
            scheduler.add("5", {"id": "open", "start_time_utc": long_ago, **over})
            await it.tasks.once(everything=True)
            assert it.task("#open")["state"] == "finished"

    run(story())


def test_where_tasks_are_kept_for_ever_everything_listed_is_taken_in(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", {"id": "old", "start_time_utc": "1000000000", "status": "finished"})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            assert keys(it) == {"#old"}

    run(story())
