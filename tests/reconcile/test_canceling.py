"""Canceling tasks: they are deleted at the scheduler, and subscribers learn that they are gone."""

from pathlib import Path

import pytest

from receiver.emulator.faults import Faults
from receiver.errors import ConflictError, NotFoundError
from receiver.reconcile.canceling import cancel_task
from tests.reconcile.reconcile_env import ReconcileEnv, emulated, minted, reconcile_env
from tests.reconcile.scripted import Scripted
from tests.simulation.loop import run


def in_queue(it: ReconcileEnv) -> list[str]:
    """The names of the tasks that the emulator has not deleted."""
    assert it.emulator is not None
    return [task["name"] for task in it.emulator.truth()["tasks"] if not task["deleted"]]


@pytest.mark.parametrize("by", ["ref", "id", "#id"])
def test_a_canceled_task_is_gone_at_the_scheduler_and_here(tmp_path: Path, by: str) -> None:
    async def story() -> None:
        async with emulated(tmp_path) as it:
            queue = await it.queue()
            first, _ = await it.create(queue, "r1", "r2", name="Order")
            name = {"ref": "r1", "id": first.id, "#id": f"#{first.id}"}[by]
            row, was_there = await cancel_task(it.context, name)
            assert (row.key, row.state, was_there) == ("r1", "gone", True)
            assert len(in_queue(it)) == 1
            assert it.task("r2")["state"] == "scheduled"

    run(story())


def test_a_second_cancellation_changes_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path) as it:
            await it.create(await it.queue(), "r1")
            await cancel_task(it.context, "r1")
            requests = it.requests("delete_task", "read_task")
            row, was_there = await cancel_task(it.context, "r1")
            assert (row.state, was_there) == ("gone", False)
            assert it.requests("delete_task", "read_task") == requests
            assert len(it.facts("gone")) == 1

    run(story())


def test_a_finished_task_is_not_deleted_even_if_no_hook_has_reported_the_end(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", {"id": "1", **minted("r1")})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            scheduler.queues["5"]["1"] |= {"status": "finished", "finish_result": "success"}
            for _ in range(2):
                with pytest.raises(ConflictError, match="has finished"):
                    await cancel_task(it.context, "r1")
            assert it.task("r1")["finish_result"] == "success"
            assert "1" in scheduler.queues["5"]

    run(story())


def test_a_task_that_was_deleted_elsewhere_is_gone_once_the_scheduler_has_denied_it_for_long_enough(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", {"id": "1", **minted("r1")})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            del scheduler.queues["5"]["1"]
            began = it.clock.now()
            row, was_there = await cancel_task(it.context, "r1")
            assert (row.state, was_there) == ("gone", False)
            assert 30 <= it.clock.now() - began < 40

    run(story())


def test_a_server_that_lags_behind_does_not_keep_a_task_from_being_deleted(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path, faults=Faults(not_found=0.7)) as it:
            await it.create(await it.queue(), "r1", name="Order")
            row, was_there = await cancel_task(it.context, "r1")
            assert (row.state, was_there) == ("gone", True)
            assert in_queue(it) == []

    run(story())


def test_an_unknown_task_or_one_without_an_id_cannot_be_canceled(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path) as it:
            with pytest.raises(NotFoundError):
                await cancel_task(it.context, "r1")
            await it.hook("before", "r1", id="77")
            with pytest.raises(ConflictError, match="id is not known"):
                await cancel_task(it.context, "r1")

    run(story())
