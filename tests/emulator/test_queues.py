from dataclasses import replace
from typing import Any

import pytest

from tests.emulator.emulator_env import SURE, running, wish
from tests.emulator.virtual import run

QUEUES = "/task_scheduler/"


def test_a_queue_is_created_off_with_all_fields() -> None:
    async def main() -> None:
        async with running() as env:
            response = await env.api("POST", QUEUES, {"name": "sales", "comment": "Отдел продаж"})
            assert response.status_code == 201
            assert response.json() == {
                "id": 10001,
                "name": "sales",
                "comment": "Отдел продаж",
                "status": "off",
                "concurrent_task_limit": 10,
                "create_date_utc": "2026-03-02 12:00:00",
            }

    run(main())


def test_a_queue_can_be_read_changed_listed_and_deleted() -> None:
    async def main() -> None:
        async with running() as env:
            first, second = await env.queue(name="a"), await env.queue(name="b")
            change = {"comment": "c", "status": "off", "concurrent_task_limit": 3}
            changed = (await env.api("PUT", f"{QUEUES}{first}", change)).json()
            assert changed["name"] == "a"
            assert {name: changed[name] for name in change} == change
            assert (await env.api("GET", f"{QUEUES}{first}")).json() == changed
            assert [queue["id"] for queue in (await env.api("GET", QUEUES)).json()] == [first, second]
            assert (await env.api("DELETE", f"{QUEUES}{first}")).status_code == 204
            assert (await env.api("GET", f"{QUEUES}{first}")).status_code == 404
            assert [queue["id"] for queue in (await env.api("GET", QUEUES)).json()] == [second]

    run(main())


def test_a_change_leaves_what_it_does_not_name() -> None:
    async def main() -> None:
        async with running() as env:
            queue = await env.queue(comment="keep", concurrent_task_limit=7)
            changed = (await env.api("PUT", f"{QUEUES}{queue}", {"status": "off"})).json()
            assert (changed["comment"], changed["concurrent_task_limit"]) == ("keep", 7)

    run(main())


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "q", "status": "paused"}, "status"),
        ({"name": "q", "concurrent_task_limit": 0}, "concurrent_task_limit"),
        ({"name": "q", "concurrent_task_limit": "many"}, "concurrent_task_limit"),
        ({"name": "q", "comment": 5}, "comment"),
        ([], "body"),
    ],
)
def test_bad_input_is_refused_by_the_name_of_the_field(body: Any, field: str) -> None:
    async def main() -> None:
        async with running() as env:
            response = await env.api("POST", QUEUES, body)
            assert response.status_code == 400
            assert response.json()["message"].startswith(f"{field}: ")

    run(main())


def test_a_body_that_is_not_json_is_refused() -> None:
    async def main() -> None:
        async with running() as env:
            response = await env.api("POST", QUEUES, content=b"name=queue")
            assert (response.status_code, response.json()) == (400, {"message": "body: must be JSON"})

    run(main())


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("queue", ["99", "nonsense", "²"])
def test_an_unknown_queue_is_not_found(method: str, queue: str) -> None:
    async def main() -> None:
        async with running() as env:
            response = await env.api(method, f"{QUEUES}{queue}", {})
            assert (response.status_code, response.json()) == (404, {"message": "Record not found"})

    run(main())


@pytest.mark.parametrize("path", ["/task_scheduler", "/nonsense/", "/task_scheduler/10001/"])
def test_unknown_paths_answer_json_and_slashes_matter(path: str) -> None:
    async def main() -> None:
        async with running() as env:
            response = await env.api("GET", path)
            assert (response.status_code, response.json()) == (404, {"message": "Record not found"})

    run(main())


def test_a_call_that_does_not_accept_gzip_is_told_so() -> None:
    async def main() -> None:
        async with running() as env:
            response = await env.api("GET", QUEUES, headers={"Accept-Encoding": "identity"})
            assert response.status_code == 406
            assert "Accept-Encoding" in response.json()["message"]

    run(main())


def test_a_later_revision_counts_tasks() -> None:
    async def main() -> None:
        async with running(replace(SURE, later_revision=True)) as env:
            queue = await env.queue()
            before = (await env.api("GET", f"{QUEUES}{queue}")).json()
            await env.tasks(queue, wish("now"), wish("later", start_time_utc=3600))
            await env.clock.sleep(1900)
            after = (await env.api("GET", f"{QUEUES}{queue}")).json()
            assert (before["sched_task_count"], before["last_call_date"]) == (0, None)
            assert (after["sched_task_count"], after["task_count"]) == (1, 2)
            assert after["last_call_date"] == "2026-03-02 12:00:00"

    run(main())
