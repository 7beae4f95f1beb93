import asyncio
from typing import Any

import pytest

from tests.emulator.emulator_env import HOPELESS, SURE, EmulatorEnv, running, wish
from tests.emulator.virtual import run


async def the_call(env: EmulatorEnv, **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A finished task and the record of its latest call."""
    queue = await env.queue()
    [task] = await env.tasks(queue, wish(**fields))
    await env.idle()
    task = await env.task(queue, task["id"])
    return task, (await env.api("GET", f"/call_history/{task['cdr']}")).json()


def test_a_bridged_call_has_all_fields_and_two_legs() -> None:
    async def main() -> None:
        async with running(SURE) as env:
            task, call = await the_call(env, extension_id=12)
            assert (call["call_uuid"], call["flow"], call["result"]) == (task["cdr"], "out", "bridged")
            assert (call["hangup_cause"], call["extension_id"]) == ("NORMAL_CLEARING", 12)
            assert (call["from_username"], call["bridged_username"]) == (task["a_number"], task["b_number"])
            assert call["init_time_gmt"] < call["bridged_time_gmt"] < call["hangup_time_gmt"]
            assert 5 <= call["bridged_duration"] < call["duration"]
            a, b = call["cdr"]
            assert {a["application"], b["application"]} == {"callback"}
            assert (a["dest_number"], b["dest_number"]) == (task["a_number"], task["b_number"])
            assert None not in {a["record_uuid"], b["record_uuid"]}
            assert a["record_uuid"] != b["record_uuid"]

    run(main())


def test_a_call_that_failed_on_a_never_dialled_b() -> None:
    async def main() -> None:
        async with running(HOPELESS) as env:
            task, call = await the_call(env)
            [leg] = call["cdr"]
            assert (leg["dest_number"], leg["result"]) == (task["a_number"], call["result"])
            assert call["result"] in {"busy", "not answered", "failed", "rejected"}
            nulls = ("bridged_time_gmt", "bridged_duration", "bridged_username")
            assert [call[name] for name in nulls] == [None] * 3
            assert leg["record_uuid"] is None

    run(main())


@pytest.mark.parametrize("change", [str.upper, lambda uuid: uuid.replace("-", ""), str])
def test_a_uuid_is_compared_without_case_and_dashes(change: Any) -> None:
    async def main() -> None:
        async with running() as env:
            _, call = await the_call(env)
            again = await env.api("GET", f"/call_history/{change(call['call_uuid'])}")
            assert again.json() == call

    run(main())


def test_a_call_has_no_record_before_it_ended() -> None:
    async def main() -> None:
        async with running() as env:
            queue = await env.queue()
            [task] = await env.tasks(queue, wish())
            await env.clock.sleep(1)
            task = await env.task(queue, task["id"])
            assert task["status"] == "executed"
            path = f"/call_history/{task['cdr']}"
            assert (await env.api("GET", path)).status_code == 404
            await env.idle()
            assert (await env.api("GET", path)).status_code == 200

    run(main())


def test_history_takes_one_request_at_a_time() -> None:
    async def main() -> None:
        async with running() as env:
            answers = await asyncio.gather(*(env.api("GET", "/call_history/") for _ in range(2)))
            assert sorted(answer.status_code for answer in answers) == [200, 429]
            refused = next(answer for answer in answers if answer.status_code == 429)
            message = "Stats request already exists, concurrent request not allowed"
            assert refused.json() == {"message": message}
            assert (await env.api("GET", "/call_history/")).status_code == 200

    run(main())


def test_history_lists_ended_calls_in_an_envelope() -> None:
    async def main() -> None:
        async with running() as env:
            await env.tasks(await env.queue(), *(wish(str(n)) for n in range(5)))
            await env.idle()
            first = (await env.api("GET", "/call_history/", params={"per_page": 3})).json()
            second = (await env.api("GET", "/call_history/", params={"per_page": 3, "page": 2})).json()
            assert {name: first[name] for name in ("page", "per_page", "order")} == {
                "page": 1,
                "per_page": 3,
                "order": "asc",
            }
            assert [len(page["call_history"]) for page in (first, second)] == [3, 2]

    run(main())
