"""The records of calls: each is fetched once, and one that is not there is given up in the end."""

from pathlib import Path
from typing import Any

import pytest

from receiver.tasks.tables import TASK
from tests.reconcile.reconcile_env import ReconcileEnv, emulated, minted, reconcile_env
from tests.reconcile.scripted import Scripted
from tests.simulation.loop import run

UUID = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
OTHER = "7a9619ff-8b86-d011-b42d-00cf4fc964ff"


def ended(task_id: str = "1", ref: str = "r1", cdr: str = UUID) -> dict[str, Any]:
    return {"id": task_id, "status": "finished", "finish_result": "failed", "cdr": cdr, **minted(ref)}


def record(uuid: str = UUID) -> dict[str, Any]:
    return {"call_uuid": uuid, "result": "busy", "duration": 7}


async def calls_after(it: ReconcileEnv, *pauses: float) -> None:
    """One pass over the calls after each pause."""
    for pause in pauses:
        await it.clock.sleep(pause)
        await it.calls.once()


def test_the_record_of_a_call_is_fetched_once(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(calls={UUID: record()})
        scheduler.add("5", ended())
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            await calls_after(it, 0, 5, 60)
            it.restart()
            await calls_after(it, 0)
            assert scheduler.count()["call"] == 1
            assert len(it.facts("call")) == 1

    run(story())


def test_a_call_spelled_in_two_ways_is_one_call(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(calls={UUID: record()})
        scheduler.add("5", ended())
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            await it.hook("after", cdr=UUID.upper().replace("-", ""))
            await calls_after(it, 0, 60)
            assert [name for what, name, _ in scheduler.asked if what == "call"] == [UUID]

    run(story())


def test_no_record_is_asked_for_while_the_task_goes_on(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(calls={UUID: record()})
        scheduler.add("5", ended() | {"status": "executed", "finish_result": None})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            await calls_after(it, 0, 600)
            assert scheduler.count()["call"] == 0

    run(story())


def test_a_record_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", ended())
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            await calls_after(it, 0, 3, 5)
            scheduler.calls[UUID] = record()
            await calls_after(it, 9)
            assert [row["said"] for row in it.facts("call") if '"found": false' in row["said"]] == []
            assert it.task()["due_for"] == "settle"

    run(story())


def test_a_record_that_is_not_there_is_given_up_after_some_asks(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", ended())
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            await calls_after(it, *(5.0 for _ in range(20)))
            assert scheduler.count()["call"] == 6
            assert it.task()["due_for"] == "call"
            await calls_after(it, 900, 900, 900)
            assert scheduler.count()["call"] == 7
            assert it.task()["due_for"] == "settle"

    run(story())


def test_an_api_that_does_not_answer_has_not_said_that_there_is_no_record(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(failing={("call", UUID): 500})
        scheduler.add("5", ended())
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            await calls_after(it, *(900.0 for _ in range(10)))
            scheduler.failing.clear()
            await calls_after(it, 900)
            assert it.facts("call") == []
            assert it.task()["due_for"] == "call"

    run(story())


def test_a_call_that_always_fails_keeps_no_other_from_its_turn(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(calls={UUID: record(), OTHER: record(OTHER)}, failing={("call", UUID): 500})
        scheduler.add("5", ended(), ended("2", "r2", OTHER))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            await calls_after(it, 0, 1)
            assert (it.task("r1")["due_for"], it.task("r2")["due_for"]) == ("call", "settle")

    run(story())


def test_what_was_fetched_before_a_failure_is_kept(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(calls={UUID: record()}, failing={("call", OTHER): 500})
        scheduler.add("5", ended())
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            await it.hook("after", cdr=OTHER)
            await calls_after(it, 0, 60)
            assert [name for what, name, _ in scheduler.asked if what == "call"].count(UUID) == 1

    run(story())


@pytest.mark.parametrize("name", ["..", "a/b", "x" * 3000, "зв"])
def test_a_call_that_cannot_be_named_holds_up_nobody(tmp_path: Path, name: str) -> None:
    async def story() -> None:
        scheduler = Scripted(calls={UUID: record()})
        scheduler.add("5", ended(), ended("2", "r2"))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            await it.hook("after", cdr=name)
            assert (await it.calls.once()).failed == {}
            assert (it.task("r1")["due_for"], it.task("r2")["due_for"]) == ("settle", "settle")

    run(story())


def test_records_are_asked_for_one_at_a_time(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path, answer_rate=0.0, history_seconds=1.0) as it:
            queue = await it.queue()
            await it.create(queue, *(f"r{n}" for n in range(8)), start_time_utc=60, try_count=2)
            await it.work(1200)
            assert it.emulator is not None
            assert it.emulator.truth()["requests"]["call_history_read"].keys() == {"200"}
            assert all(row["settled"] for row in it.rows(TASK))

    run(story())
