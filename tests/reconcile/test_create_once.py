"""Tasks are created once each, whatever is repeated, runs at the same time or gets lost."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest

from receiver.emulator.faults import Faults
from receiver.errors import InputError, SchedulerUnreachableError
from receiver.reconcile import creation_sql
from receiver.reconcile.account_context import AccountContext
from receiver.reconcile.create_once import CreateOnce, CreationResult
from receiver.reconcile.creation_sql import CreationClaim
from receiver.reconcile.new_tasks import KeyedTask, read_task
from receiver.reconcile.tables import CREATION
from receiver.scheduler.client import SchedulerClient
from tests.reconcile.reconcile_env import PUBLIC, ReconcileEnv, emulated, reconcile_env
from tests.reconcile.scripted import Scripted
from tests.simulation.loop import run

NUMBER = "+79161234567"


def task(ref: str, **fields: Any) -> KeyedTask:
    """A task that starts in an hour."""
    given = {"ref": ref, "a_number": "101", "b_number": NUMBER, "start_time_utc": 3600}
    return read_task(given | fields)


async def create(
    it: ReconcileEnv, queue: str, *tasks: KeyedTask, context: AccountContext | None = None
) -> dict[str, CreationResult]:
    results = await CreateOnce(context or it.context, PUBLIC, queue).create(tasks)
    return {result.ref: result for result in results}


def states(results: Mapping[str, CreationResult]) -> dict[str, str]:
    return {ref: result.state for ref, result in results.items()}


def dialed(it: ReconcileEnv) -> list[str]:
    """The names of the tasks that the emulator really has."""
    assert it.emulator is not None
    return [task["name"] for task in it.emulator.truth()["tasks"]]


def second_receiver(it: ReconcileEnv, transport: httpx2.AsyncBaseTransport) -> AccountContext:
    """The same account as another receiver on the same store sees it, with a client of its own."""
    first = it.context
    client = SchedulerClient(
        first.client.account, clock=it.clock, rng=Random(2), metrics=it.metrics, transport=transport
    )
    return replace(first, client=client)


def test_a_repeated_request_creates_nothing_and_answers_with_the_same_id(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path) as it:
            queue = await it.queue()
            first = await create(it, queue, task("o-1"), task("o-2"))
            again = await create(it, queue, task("o-1"), task("o-3"), task("o-2"))
            assert states(first) == {"o-1": "created", "o-2": "created"}
            assert states(again) == {"o-1": "exists", "o-3": "created", "o-2": "exists"}
            assert [again[ref].task_id for ref in ("o-1", "o-2")] == [first[r].task_id for r in first]
            assert sorted(dialed(it)) == ["o-1", "o-2", "o-3"]
            assert it.task("o-1")["state"] == "scheduled"

    run(story())


@pytest.mark.parametrize("changed", [{"b_number": "+79169999999"}, {"try_count": 2}, {"name": "other"}])
def test_a_ref_with_other_content_is_a_conflict(tmp_path: Path, changed: dict[str, Any]) -> None:
    async def story() -> None:
        async with emulated(tmp_path) as it:
            queue = await it.queue()
            await create(it, queue, task("o-1"))
            (result,) = (await create(it, queue, task("o-1", **changed))).values()
            assert (result.state, result.field, result.task_id) == ("conflict", "ref", None)
            assert dialed(it) == ["o-1"]

    run(story())


def test_a_task_whose_content_was_purged_still_exists(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path) as it:
            queue = await it.queue()
            await create(it, queue, task("o-1"))
            await it.store.write(lambda connection: creation_sql.forget_content(connection, "north", ["o-1"]))
            assert [row["digest"] for row in it.rows(CREATION)] == [""]
            assert states(await create(it, queue, task("o-1", b_number="102"))) == {"o-1": "exists"}
            assert dialed(it) == ["o-1"]

    run(story())


def test_a_task_that_was_created_elsewhere_exists_unless_its_numbers_differ(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path) as it:
            queue = await it.queue()
            await it.create(queue, "r1", b_number="8 (916) 123-45-67")
            await it.hook("before", "r2")
            results = await create(it, queue, task("r1"), task("r2"))
            assert states(results) == {"r1": "exists", "r2": "exists"}
            assert (results["r1"].task_id, results["r2"].task_id) == (it.task("r1")["task_id"], None)
            assert states(await create(it, queue, task("r1", b_number="102"))) == {"r1": "conflict"}

    run(story())


def test_two_receivers_that_create_the_same_task_at_the_same_time_create_it_once(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(slow=1.5)
        scheduler.add("5")
        async with reconcile_env(tmp_path, scheduler.app) as it:
            other = second_receiver(it, httpx2.ASGITransport(scheduler.app))
            one, two = await asyncio.gather(
                create(it, "5", task("o-1"), task("o-2")),
                create(it, "5", task("o-2"), task("o-1"), task("o-3"), context=other),
            )
            assert sorted([one["o-1"].state, two["o-1"].state]) == ["created", "exists"]
            assert sorted([one["o-2"].state, two["o-2"].state]) == ["created", "exists"]
            assert two["o-3"].state == "created"
            assert one["o-1"].task_id == two["o-1"].task_id
            assert len(scheduler.queues["5"]) == 3

    run(story())


def test_a_crash_between_request_and_record_is_found_in_the_list(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(slow=5.0)
        scheduler.add("5")
        async with reconcile_env(tmp_path, scheduler.app) as it:
            request = asyncio.create_task(create(it, "5", task("o-1")))
            await it.clock.sleep(2.0)
            request.cancel()
            await asyncio.wait([request])
            assert [row["state"] for row in it.rows(CREATION)] == ["sending"]
            again = await create(it, "5", task("o-1"))
            assert states(again) == {"o-1": "exists"}
            assert again["o-1"].task_id == it.task("o-1")["task_id"]
            assert scheduler.count()["create"] == 1

    run(story())


def test_a_crash_before_the_request_is_made_up_for_once_no_request_can_be_under_way(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path) as it:
            queue = await it.queue()
            claim = CreationClaim("north", queue, "crashed", it.clock.now())
            await it.store.write(
                lambda connection: creation_sql.claim(connection, claim, [task("o-1")], set())
            )
            early = await create(it, queue, task("o-1"))
            assert states(early) == {"o-1": "unknown"}
            assert "another request" in (early["o-1"].problem or "")
            await it.clock.sleep(601)
            assert states(await create(it, queue, task("o-1"))) == {"o-1": "created"}
            assert states(await create(it, queue, task("o-1"))) == {"o-1": "exists"}
            assert dialed(it) == ["o-1"]

    run(story())


def test_a_task_that_may_have_been_dialed_and_is_hidden_by_the_list_is_never_sent_again(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        scheduler = Scripted(hides_finished=True)
        scheduler.add("5")
        scheduler.failing["create", "5"] = 503
        async with reconcile_env(tmp_path, scheduler.app) as it:
            now = task("o-1", start_time_utc=0)
            first = await create(it, "5", now)
            assert states(first) == {"o-1": "created"}
            (record,) = scheduler.queues["5"].values()
            assert record["name"] == "o-1"

            scheduler.failing["list", "5"] = 503
            assert states(await create(it, "5", task("o-2", start_time_utc=0))) == {"o-2": "unknown"}
            for record in scheduler.queues["5"].values():
                record["status"] = "finished"
            del scheduler.failing["list", "5"], scheduler.failing["create", "5"]
            await it.clock.sleep(3600)
            hidden = await create(it, "5", task("o-2", start_time_utc=0))
            assert states(hidden) == {"o-2": "unknown"}
            assert "could dial a person twice" in (hidden["o-2"].problem or "")
            scheduler.hides_finished = False
            assert states(await create(it, "5", task("o-2", start_time_utc=0))) == {"o-2": "exists"}
            assert len(scheduler.queues["5"]) == 2

    run(story())


def test_lost_answers_create_no_task_twice(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path, faults=Faults(lose_create=1.0)) as it:
            queue = await it.queue()
            tasks = [task(f"o-{number}") for number in range(120)]
            assert set(states(await create(it, queue, *tasks)).values()) == {"created"}
            assert set(states(await create(it, queue, *tasks)).values()) == {"exists"}
            assert len(dialed(it)) == 120

    run(story())


def test_only_the_task_that_the_scheduler_refuses_is_not_created(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path) as it:
            queue = await it.queue()
            wrong = task("o-3", name="o" * 1001)
            results = await create(it, queue, task("o-1"), task("o-2"), wrong, task("o-4"))
            assert states(results) == dict.fromkeys(("o-1", "o-2", "o-4"), "created") | {"o-3": "refused"}
            assert results["o-3"].field == "name"
            assert sorted(dialed(it)) == ["o-1", "o-2", "o-4"]
            assert states(await create(it, queue, task("o-3"))) == {"o-3": "created"}

    run(story())


def test_a_scheduler_that_is_down_is_an_error_and_the_task_can_be_sent_later(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(refuses_login=True)
        scheduler.add("5")
        async with reconcile_env(tmp_path, scheduler.app) as it:
            with pytest.raises(Exception, match="token"):
                await create(it, "5", task("o-1"))
            assert it.rows(CREATION) == []
            scheduler.refuses_login = False
            await it.clock.sleep(120)
            assert states(await create(it, "5", task("o-1"))) == {"o-1": "created"}

    run(story())


def test_an_outage_in_the_middle_of_a_request_says_which_tasks_were_not_sent(tmp_path: Path) -> None:
    class DownLater(httpx2.AsyncBaseTransport):
        """A network that breaks after the first creation."""

        def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
            self.inner, self.creations = inner, 0

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            self.creations += request.url.path.endswith("/tasks/")
            if self.creations > 1:
                raise httpx2.ConnectError("down")
            return await self.inner.handle_async_request(request)

    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5")
        async with reconcile_env(tmp_path, scheduler.app) as it:
            broken = second_receiver(it, DownLater(httpx2.ASGITransport(scheduler.app)))
            tasks = [task(f"o-{number}") for number in range(60)]
            results = await create(it, "5", *tasks, context=broken)
            assert [result.state for result in results.values()] == ["created"] * 50 + ["refused"] * 10
            assert "send it again" in (results["o-59"].problem or "")
            with pytest.raises(SchedulerUnreachableError):
                await create(it, "5", *tasks[50:], context=broken)
            again = await create(it, "5", *tasks)
            assert [result.state for result in again.values()] == ["exists"] * 50 + ["created"] * 10

    run(story())


def test_an_unknown_queue_is_named_as_the_wrong_field(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path) as it:
            with pytest.raises(InputError, match="queue"):
                await create(it, "999", task("o-1"))
            with pytest.raises(InputError, match="queue"):
                await CreateOnce(it.context, PUBLIC, "999").look({"o-1"})
            assert it.rows(CREATION) == []

    run(story())
