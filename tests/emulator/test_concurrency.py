"""Limits, switching off and on, and deletion."""

import asyncio
from dataclasses import replace

import pytest

from receiver.emulator.concurrency import ConcurrencyLimit
from receiver.emulator.records import Plan, Queue, Task
from tests.emulator.emulator_env import HOPELESS, SURE, running, wish
from tests.emulator.virtual import MONDAY_NOON, run


def test_no_more_calls_at_a_time_than_the_limit() -> None:
    async def main() -> None:
        async with running() as env:
            queue = await env.queue(concurrent_task_limit=3)
            await env.tasks(queue, *(wish(str(n)) for n in range(10)))
            most = 0
            for _ in range(3000):
                most = max(most, env.emulator.status()["tasks"].get("executed", 0))
                await env.clock.sleep(1)
            assert env.emulator.status()["idle"]
            assert most == 3

    run(main())


def test_those_that_wait_for_the_limit_are_called_in_order_and_stay_scheduled() -> None:
    async def main() -> None:
        async with running() as env:
            queue = await env.queue(concurrent_task_limit=1)
            await env.tasks(queue, wish("b", start_time_utc=2), wish("c", start_time_utc=3), wish("a"))
            await env.clock.sleep(4)
            assert env.emulator.status()["tasks"] == {"executed": 1, "scheduled": 2}
            await env.idle()
            begun = [hook.path for hook in env.recorder.received if hook.event == "before"]
            assert begun == ["/a/before", "/b/before", "/c/before"]

    run(main())


def test_a_later_revision_says_that_a_task_waits_for_the_limit() -> None:
    async def main() -> None:
        async with running(replace(SURE, later_revision=True)) as env:
            queue = await env.queue(concurrent_task_limit=1)
            await env.tasks(queue, wish("a"), wish("b"))
            await env.clock.sleep(1)
            assert env.emulator.status()["tasks"] == {"executed": 1, "delayed_concurrent_task": 1}

    run(main())


def test_a_raised_limit_lets_more_in_at_once() -> None:
    async def main() -> None:
        async with running() as env:
            queue = await env.queue(concurrent_task_limit=1)
            await env.tasks(queue, *(wish(str(n)) for n in range(3)))
            await env.clock.sleep(1)
            await env.api("PUT", f"/task_scheduler/{queue}", {"concurrent_task_limit": 3})
            await env.clock.sleep(1)
            assert env.emulator.status()["tasks"] == {"executed": 3}

    run(main())


def test_a_queue_that_is_off_starts_nothing_until_it_is_on() -> None:
    async def main() -> None:
        async with running() as env:
            queue = await env.queue(status="off")
            await env.tasks(queue, wish())
            await env.clock.sleep(1000)
            assert env.recorder.received == []
            await env.api("PUT", f"/task_scheduler/{queue}", {"status": "on"})
            await env.idle()
            assert env.recorder.received[0].at == pytest.approx(MONDAY_NOON + 1000)

    run(main())


def test_switching_off_lets_the_running_call_end_and_holds_the_next_attempt() -> None:
    async def main() -> None:
        async with running(HOPELESS) as env:
            queue = await env.queue()
            [task] = await env.tasks(queue, wish(try_count=2, try_again_pause=10))
            await env.clock.sleep(1)
            await env.api("PUT", f"/task_scheduler/{queue}", {"status": "off"})
            await env.clock.sleep(1000)
            assert (await env.task(queue, task["id"]))["status"] == "delayed"
            assert [hook.event for hook in env.recorder.received] == ["before"]

    run(main())


@pytest.mark.parametrize("wait", [0, 1, 60, 150])
def test_a_deleted_task_does_nothing_more(wait: float) -> None:
    """Deleted before it began, in its first call, in the pause and in its second call or pause."""

    async def main() -> None:
        async with running(HOPELESS) as env:
            queue = await env.queue()
            wishes = wish("doomed", try_count=9, try_again_pause=60), wish("other")
            doomed, _ = await env.tasks(queue, *wishes)
            await env.clock.sleep(wait)
            await env.api("DELETE", f"/task_scheduler/{queue}/task/{doomed['id']}")
            before = [hook for hook in env.recorder.received if "doomed" in hook.path]
            await env.idle()
            assert [hook for hook in env.recorder.received if "doomed" in hook.path] == before
            truth = env.emulator.truth()["tasks"]
            assert [task["state"] for task in truth] == ["gone", "finished"]
            response = await env.api("GET", f"/task_scheduler/{queue}/task/{doomed['id']}")
            assert response.status_code == 404

    run(main())


def test_a_deleted_call_frees_its_place() -> None:
    async def main() -> None:
        async with running() as env:
            queue = await env.queue(concurrent_task_limit=1)
            first, _ = await env.tasks(queue, wish("first"), wish("second"))
            await env.clock.sleep(1)
            await env.api("DELETE", f"/task_scheduler/{queue}/task/{first['id']}")
            await env.clock.sleep(1)
            assert env.emulator.status()["tasks"] == {"gone": 1, "executed": 1}

    run(main())


def test_a_place_given_to_a_task_that_is_deleted_in_the_same_moment_is_not_lost() -> None:
    queue = Queue(1, "10001", "q", "", "off", 1, MONDAY_NOON)
    plan = Plan("", "1", "2", None, 1, 0, MONDAY_NOON, {})
    first, second = (Task(number, number, queue, plan, MONDAY_NOON) for number in (1, 2))

    async def main() -> None:
        gate = ConcurrencyLimit(queue, later_revision=False)
        doomed = asyncio.create_task(gate.enter(first, 0.0))
        await asyncio.sleep(0)
        queue.status = "on"
        gate.admit()
        doomed.cancel()
        await gate.enter(second, 0.0)
        assert doomed.cancelled()

    run(main())


def test_a_task_deleted_after_its_end_stays_finished_in_the_truth() -> None:
    async def main() -> None:
        async with running() as env:
            queue = await env.queue()
            [task] = await env.tasks(queue, wish())
            await env.idle()
            await env.api("DELETE", f"/task_scheduler/{queue}/task/{task['id']}")
            [truth] = env.emulator.truth()["tasks"]
            assert (truth["state"], truth["deleted"]) == ("finished", True)

    run(main())


def test_deleting_a_queue_deletes_its_tasks() -> None:
    async def main() -> None:
        async with running() as env:
            queue = await env.queue()
            await env.tasks(queue, wish("a", start_time_utc=500), wish("b"))
            await env.clock.sleep(1)
            await env.api("DELETE", f"/task_scheduler/{queue}")
            await env.clock.sleep(3000)
            assert env.emulator.status()["tasks"] == {"gone": 2}
            assert [hook.path for hook in env.recorder.received] == ["/b/before"]

    run(main())
