"""What the engine does with tasks, in virtual time."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from receiver.emulator.clock import parse_date_time
from receiver.emulator.config import EmulatorConfig
from receiver.emulator.emulator import create_emulator
from tests.emulator.emulator_env import (
    HOPELESS,
    SURE,
    EmulatorEnv,
    Received,
    Recorder,
    authorize,
    running,
    wish,
)
from tests.emulator.virtual import MONDAY_NOON, VirtualClock, run


async def play(env: EmulatorEnv, *wishes: dict[str, Any], **queue: Any) -> list[dict[str, Any]]:
    """The truth about the tasks after all is done."""
    await env.tasks(await env.queue(**queue), *wishes)
    await env.idle()
    tasks: list[dict[str, Any]] = env.emulator.truth()["tasks"]
    return tasks


def test_a_connected_task_fires_before_success_and_after() -> None:
    async def main() -> None:
        async with running(SURE) as env:
            [task] = await play(env, wish(try_count=3))
            assert [hook.event for hook in env.recorder.received] == ["before", "success", "after"]
            assert (task["state"], task["finish_result"], task["attempts"]) == ("finished", "success", 1)

    run(main())


def test_a_task_fails_only_after_its_last_attempt() -> None:
    async def main() -> None:
        async with running(HOPELESS) as env:
            [task] = await play(env, wish(try_count=4))
            events = [hook.event for hook in env.recorder.received]
            assert events == ["before", *["before_again"] * 3, "after"]
            assert (task["state"], task["finish_result"], task["attempts"]) == ("finished", "failed", 4)

    run(main())


def test_a_failed_task_says_why() -> None:
    async def main() -> None:
        async with running(HOPELESS) as env:
            queue = await env.queue()
            await env.tasks(queue, *(wish(str(n)) for n in range(30)))
            await env.idle()
            response = await env.api("GET", f"/task_scheduler/{queue}/task/", params={"per_page": 100})
            comments = [task["finish_comment"] for task in response.json()]
            assert all(comments)
            assert any("Номер A" in comment for comment in comments)
            assert any("A number" in comment for comment in comments)

    run(main())


@pytest.mark.parametrize("pause", [0, 300])
def test_the_next_attempt_comes_a_pause_after_the_end_of_the_last(pause: int) -> None:
    async def main() -> None:
        async with running(HOPELESS) as env:
            await play(env, wish(try_count=3, try_again_pause=pause))
            calls = (await env.api("GET", "/call_history/")).json()["call_history"]
            starts = [_epoch(call["init_time_gmt"]) for call in calls]
            ends = [_epoch(call["hangup_time_gmt"]) for call in calls]
            for end, start in zip(ends[:-1], starts[1:], strict=True):
                assert start - end == pytest.approx(pause, abs=0.02)
            assert all(end - start >= 5 for start, end in zip(starts, ends, strict=True))

    run(main())


def test_statuses_go_from_scheduled_over_executed_and_delayed_to_finished() -> None:
    async def main() -> None:
        async with running(HOPELESS) as env:
            queue = await env.queue()
            [task] = await env.tasks(queue, wish(try_count=2, try_again_pause=200, start_time_utc=100))
            seen: list[tuple[str, str]] = []
            for _ in range(500):
                now = await env.task(queue, task["id"])
                if (state := (now["status"], now["finish_result"])) not in seen[-1:]:
                    seen.append(state)
                await env.clock.sleep(1)
            assert [status for status, _ in seen] == [
                "scheduled",
                "executed",
                "delayed",
                "executed",
                "finished",
            ]
            assert [result for _, result in seen] == ["", "", "", "", "failed"]

    run(main())


def test_every_attempt_shows_a_new_cdr() -> None:
    async def main() -> None:
        async with running(HOPELESS) as env:
            queue = await env.queue()
            [task] = await env.tasks(queue, wish(try_count=5, try_again_pause=5))
            seen = set()
            for _ in range(300):
                seen.add((await env.task(queue, task["id"]))["cdr"])
                await env.clock.sleep(1)
            assert len(seen - {""}) == 5

    run(main())


def test_a_task_waits_for_its_start() -> None:
    async def main() -> None:
        async with running() as env:
            await play(env, wish(start_time_utc="2026-03-02 18:00:00"))
            assert env.recorder.received[0].at == pytest.approx(MONDAY_NOON + 6 * 3600)

    run(main())


def test_a_hook_without_a_url_is_not_fired() -> None:
    async def main() -> None:
        async with running() as env:
            await play(env, wish(url_before="", url_success=None))
            assert [hook.event for hook in env.recorder.received] == ["after"]
            assert env.emulator.truth()["totals"]["fired"] == 1

    run(main())


def test_a_slow_endpoint_does_not_delay_the_call() -> None:
    async def hang(_: Received) -> int:
        await asyncio.sleep(9)
        return 200

    async def main(slow: bool) -> list[float]:
        async with running(HOPELESS) as env:
            env.recorder.answer = hang if slow else None
            await play(env, wish(try_count=3))
            return [hook.at for hook in env.recorder.received]

    assert run(main(slow=True)) == run(main(slow=False))


def test_tasks_added_before_the_engine_runs_are_executed_once_it_does() -> None:
    async def main() -> None:
        clock = VirtualClock()
        recorder = Recorder(clock)
        emulator = create_emulator(SURE, clock=clock, hook_transport=httpx2.ASGITransport(recorder))
        transport = httpx2.ASGITransport(emulator.app)
        stop = asyncio.Event()
        async with httpx2.AsyncClient(transport=transport, base_url="http://scheduler.test") as client:
            await authorize(client)
            env = EmulatorEnv(emulator, clock, recorder, client)
            await env.tasks(await env.queue(), wish())
            running = asyncio.create_task(emulator.run(stop))
            await env.idle()
            stop.set()
            await running
            assert len(recorder.received) == 3

    run(main())


def test_the_same_seed_tells_the_same_story_twice() -> None:
    async def story(config: EmulatorConfig) -> Any:
        async with running(config) as env:
            await play(env, *(wish(str(n), try_count=3, b_number=f"7{n}") for n in range(40)))
            return env.emulator.truth()["tasks"]

    model = replace(SURE, answer_rate=None)
    assert run(story(model)) == run(story(model))
    assert run(story(model)) != run(story(replace(model, seed=2)))


def test_numbers_and_hours_make_a_difference() -> None:
    async def successes(start: str) -> int:
        async with running(replace(SURE, answer_rate=None)) as env:
            wishes = (wish(str(n), b_number=f"7{n}", start_time_utc=start) for n in range(60))
            tasks = await play(env, *wishes)
            return sum(task["finish_result"] == "success" for task in tasks)

    night, evening = run(successes("2026-03-03 02:00:00")), run(successes("2026-03-03 14:00:00"))
    assert night < evening / 2


def _epoch(exact: str) -> float:
    seconds, _, hundredths = exact.partition(".")
    return parse_date_time(seconds) + int(hundredths) / 100
