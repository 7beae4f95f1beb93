"""What goes wrong with API calls: with certainty at 1, never at 0."""

from dataclasses import replace
from typing import Any

import httpx2
import pytest

from receiver.emulator.faults import PROFILES, Faults, decide_api
from receiver.emulator.rng import rng_for
from tests.emulator.emulator_env import SURE, EmulatorEnv, authorize, credentials, running, wish
from tests.emulator.virtual import run

QUEUES = "/task_scheduler/"


def with_faults(**faults: float) -> Any:
    return running(replace(SURE, faults=Faults(**faults)))


async def create(env: EmulatorEnv, queue: int) -> httpx2.Response | None:
    """None: the connection was closed without an answer."""
    try:
        return await env.api("POST", f"{QUEUES}{queue}/task/", {"tasks": [wish()]})
    except httpx2.RemoteProtocolError:
        return None


def faults(env: EmulatorEnv) -> dict[str, int]:
    injected: dict[str, int] = env.emulator.truth()["faults"]
    return injected


def test_an_error_before_acting_leaves_no_trace() -> None:
    async def main() -> None:
        config = replace(SURE, faults=Faults(error_before=1))
        async with running(config, authorized=False) as env:
            response = await env.client.post("/oauth/token", data=credentials())
            assert response.status_code in {500, 502, 503}
            assert faults(env) == {"api_error_before": 1}

    run(main())


def test_an_error_after_acting_hides_that_it_was_done() -> None:
    async def main() -> None:
        async with with_faults(error_after=1) as env:
            response = await env.api("POST", QUEUES, {"name": "queue"})
            assert response.status_code in {500, 502, 503}
            assert faults(env) == {"api_error_after": 1}
            again = await env.api("DELETE", f"{QUEUES}10001")
            gone = await env.api("DELETE", f"{QUEUES}10001")
            assert (again.status_code >= 500, gone.status_code) == (True, 404)

    run(main())


def test_a_slow_answer_takes_one_to_five_seconds() -> None:
    async def main() -> None:
        async with with_faults(slow=1) as env:
            began = env.clock.now()
            assert (await env.api("GET", QUEUES)).status_code == 200
            assert 1 <= env.clock.now() - began <= 5.001

    run(main())


def test_a_short_quota_refuses_every_call_until_its_reset() -> None:
    async def main() -> None:
        async with with_faults(short_quota=0.2) as env:
            refused = await first_refusal(env)
            assert refused.json()["status"] == "rate_limit_exceeded"
            assert refused.headers["X-RateLimit-Remaining"] == "0"
            assert 5 <= int(refused.headers["X-RateLimit-Reset"]) <= 21
            assert (await env.api("GET", f"{QUEUES}1")).status_code == 429
            await env.clock.sleep(60)
            answers = [await env.api("GET", f"{QUEUES}{n}") for n in range(20)]
            assert 404 in {answer.status_code for answer in answers}

    async def first_refusal(env: EmulatorEnv) -> httpx2.Response:
        for _ in range(100):
            response: httpx2.Response = await env.api("GET", QUEUES)
            if response.status_code == 429:
                return response
        raise AssertionError("never refused")

    run(main())


def test_an_early_401_revokes_the_token() -> None:
    async def main() -> None:
        async with with_faults(early_401=1) as env:
            for _ in range(2):
                response = await env.api("GET", QUEUES)
                assert (response.status_code, response.json()["status"]) == (401, "unauthorized")
            assert faults(env) == {"api_early_401": 1}
            await authorize(env.client)

    run(main())


def test_stats_can_be_busy_without_a_second_request() -> None:
    async def main() -> None:
        async with with_faults(stats_busy=1) as env:
            response = await env.api("GET", "/call_history/")
            assert response.status_code == 429
            assert "status" not in response.json()
            assert (await env.api("GET", QUEUES)).status_code == 200

    run(main())


def test_a_list_can_hide_finished_tasks_that_can_still_be_read() -> None:
    async def main() -> None:
        async with with_faults(hide_finished=1) as env:
            queue = await env.queue()
            done, later = await env.tasks(queue, wish("done"), wish("later", start_time_utc=9000))
            await env.clock.sleep(2000)
            listed = (await env.api("GET", f"{QUEUES}{queue}/task/")).json()
            assert [task["id"] for task in listed] == [later["id"]]
            assert (await env.task(queue, done["id"]))["status"] == "finished"
            assert faults(env) == {"api_hide_finished": 1}

    run(main())


def test_the_pages_of_one_listing_do_not_shift_when_tasks_finish_meanwhile() -> None:
    async def main() -> None:
        async with with_faults(hide_finished=1) as env:
            queue = await env.queue()
            ids = [task["id"] for task in await env.tasks(queue, *(wish(str(n)) for n in range(4)))]

            async def page(number: int) -> list[int]:
                params = {"page": number, "per_page": 2}
                response = await env.api("GET", f"{QUEUES}{queue}/task/", params=params)
                return [task["id"] for task in response.json()]

            first = await page(1)
            await env.clock.sleep(2000)
            assert first + await page(2) == ids
            assert await page(1) == []

    run(main())


def test_a_creation_can_succeed_though_its_answer_is_lost() -> None:
    async def main() -> None:
        async with with_faults(lose_create=1) as env:
            queue = await env.queue()
            answers = [await create(env, queue) for _ in range(30)]
            statuses = {answer.status_code if answer else None for answer in answers}
            assert statuses == {None, 502, 504}
            listed = await env.api("GET", f"{QUEUES}{queue}/task/", params={"per_page": 100})
            assert len(listed.json()) == 30
            assert faults(env) == {"api_lost_create": 30}
            counted = env.emulator.truth()["requests"]["create_tasks"]
            assert set(counted) == {"closed", "502", "504"}
            assert counted["closed"] == answers.count(None)

    run(main())


def test_a_refused_creation_is_refused_and_not_lost() -> None:
    async def main() -> None:
        async with with_faults(lose_create=1) as env:
            queue = await env.queue()
            response = await env.api("POST", f"{QUEUES}{queue}/task/", {"tasks": []})
            assert response.status_code == 400
            assert faults(env) == {}

    run(main())


def test_without_faults_no_call_ever_fails() -> None:
    async def main() -> None:
        async with running() as env:
            queue = await env.queue()
            for _ in range(200):
                assert (await env.api("GET", f"{QUEUES}{queue}/task/")).status_code == 200
            assert faults(env) == {}

    run(main())


@pytest.mark.parametrize("operation", ["list_tasks", "create_tasks", "call_history_read"])
def test_the_fate_of_a_call_is_a_function_of_its_name(operation: str) -> None:
    first, second = (
        [decide_api(PROFILES["heavy"], rng_for(3, n), operation) for n in range(300)] for _ in range(2)
    )
    assert first == second
    assert len(set(first)) > 10
