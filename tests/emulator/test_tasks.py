from dataclasses import replace
from typing import Any

import pytest

from receiver.emulator.config import ListShape
from tests.emulator.emulator_env import SURE, running, wish
from tests.emulator.virtual import MONDAY_NOON, run


def test_a_task_answers_all_documented_fields_and_its_urls() -> None:
    async def main() -> None:
        async with running() as env:
            queue = await env.queue(status="off")
            task = wish("vip", extension_id=77, try_count=3, try_again_pause="90", start_time_utc=30)
            [answer] = await env.tasks(queue, task)
            assert answer == task | {
                "id": 10000001,
                "scheduler_id": queue,
                "try_again_pause": "90",
                "start_time_utc": "2026-03-02 12:00:30",
                "status": "scheduled",
                "finish_result": "",
                "finish_comment": "",
                "cdr": "",
                "create_date_utc": "2026-03-02 12:00:00",
            }
            assert await env.task(queue, answer["id"]) == answer

    run(main())


def test_what_is_not_given_has_the_documented_default() -> None:
    async def main() -> None:
        async with running() as env:
            queue = await env.queue(status="off")
            [answer] = await env.tasks(queue, {"a_number": "1", "b_number": "2", "url_after": None})
            assert (answer["try_count"], answer["name"], answer["url_after"]) == (1, "", "")
            assert answer["start_time_utc"] == answer["create_date_utc"]

    run(main())


@pytest.mark.parametrize("segment", ["task", "tasks"])
def test_both_spellings_of_the_segment_work(segment: str) -> None:
    async def main() -> None:
        async with running() as env:
            path = f"/task_scheduler/{await env.queue(status='off')}/{segment}/"
            [task] = (await env.api("POST", path, {"tasks": [wish()]})).json()
            assert (await env.api("GET", path)).json() == [task]
            assert (await env.api("GET", f"{path}{task['id']}")).json() == task
            assert (await env.api("DELETE", f"{path}{task['id']}")).status_code == 204
            assert (await env.api("GET", f"{path}{task['id']}")).status_code == 404

    run(main())


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST"])
def test_a_task_cannot_be_changed(method: str) -> None:
    async def main() -> None:
        async with running() as env:
            queue = await env.queue(status="off")
            [task] = await env.tasks(queue, wish())
            response = await env.api(method, f"/task_scheduler/{queue}/task/{task['id']}", {})
            assert response.status_code == 405
            assert response.headers["allow"] == "DELETE, GET"
            assert response.json() == {"message": "Method Not Allowed"}

    run(main())


def test_lists_ascend_and_come_in_pages_of_twenty_by_default() -> None:
    async def main() -> None:
        async with running() as env:
            queue = await env.queue(status="off")
            ids = [task["id"] for task in await env.tasks(queue, *(wish(str(n)) for n in range(45)))]
            assert ids == sorted(ids)

            async def listed(**params: int) -> list[int]:
                response = await env.api("GET", f"/task_scheduler/{queue}/task/", params=params)
                return [task["id"] for task in response.json()]

            assert await listed() == ids[:20]
            assert await listed(page=3) == ids[40:]
            assert await listed(page=4) == []
            assert await listed(page=2, per_page=30) == ids[30:]
            assert await listed(per_page=100) == ids

    run(main())


@pytest.mark.parametrize("params", [{"page": 0}, {"per_page": 0}, {"per_page": 101}, {"page": "x"}])
def test_pages_out_of_bounds_are_refused(params: dict[str, Any]) -> None:
    async def main() -> None:
        async with running() as env:
            queue = await env.queue()
            response = await env.api("GET", f"/task_scheduler/{queue}/task/", params=params)
            assert response.status_code == 400
            assert response.json()["message"].startswith(next(iter(params)))

    run(main())


@pytest.mark.parametrize("shape", ["tasks", "task", "results", "items"])
def test_a_list_can_be_an_envelope(shape: ListShape) -> None:
    async def main() -> None:
        async with running(replace(SURE, list_shape=shape)) as env:
            path = f"/task_scheduler/{await env.queue(status='off')}/task/"
            created = (await env.api("POST", path, {"tasks": [wish()]})).json()
            listed = (await env.api("GET", path)).json()
            assert listed == {"page": 1, "per_page": 20, "order": "asc", shape: created[shape]}
            assert len(listed[shape]) == 1

    run(main())


@pytest.mark.parametrize(
    ("given", "start"),
    [
        ("2026-03-02 15:30:00", "2026-03-02 15:30:00"),
        ("2020-01-01 00:00:00", "2020-01-01 00:00:00"),
        (90, "2026-03-02 12:01:30"),
        ("90", "2026-03-02 12:01:30"),
        (0, "2026-03-02 12:00:00"),
        (MONDAY_NOON + 60, "2026-03-02 12:01:00"),
    ],
)
def test_a_start_is_a_date_and_time_or_seconds_from_now(given: object, start: str) -> None:
    async def main() -> None:
        async with running() as env:
            queue = await env.queue(status="off")
            [task] = await env.tasks(queue, wish(start_time_utc=given))
            assert task["start_time_utc"] == start

    run(main())


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"a_number": ""}, "a_number"),
        ({"a_number": None}, "a_number"),
        ({"b_number": "7" * 65}, "b_number"),
        ({"try_count": 0}, "try_count"),
        ({"try_count": 51}, "try_count"),
        ({"try_count": "often"}, "try_count"),
        ({"try_again_pause": "soon"}, "try_again_pause"),
        ({"try_again_pause": -1}, "try_again_pause"),
        ({"extension_id": "x"}, "extension_id"),
        ({"url_before": "not a url"}, "url_before"),
        ({"url_after": "ftp://host/"}, "url_after"),
        ({"url_after": "http:host"}, "url_after"),
        ({"url_after": "http://host:99999/"}, "url_after"),
        ({"url_after": "http://host/\n" + "x"}, "url_after"),
        ({"extension_id": -1}, "extension_id"),
        ({"start_time_utc": "tomorrow"}, "start_time_utc"),
        ({"start_time_utc": -5}, "start_time_utc"),
        ({"start_time_utc": "2026-02-30 00:00:00"}, "start_time_utc"),
        ({"start_time_utc": "nan"}, "start_time_utc"),
        ({"start_time_utc": True}, "start_time_utc"),
        ({"start_time_utc": 10**400}, "start_time_utc"),
        ({"start_time_utc": "9999-12-31 23:59:59"}, "start_time_utc"),
        ({"start_time_utc": [1]}, "start_time_utc"),
    ],
)
def test_bad_tasks_are_refused_by_the_name_of_the_field(fields: dict[str, Any], field: str) -> None:
    async def main() -> None:
        async with running() as env:
            queue = await env.queue()
            body = {"tasks": [wish("good"), wish("bad", **fields)]}
            response = await env.api("POST", f"/task_scheduler/{queue}/task/", body)
            assert response.status_code == 400
            assert response.json()["message"].startswith(f"tasks.1.{field}: ")
            assert env.emulator.truth()["tasks"] == []

    run(main())


@pytest.mark.parametrize("body", [{}, {"tasks": []}, {"tasks": {}}, {"tasks": None}])
def test_at_least_one_task_must_be_given(body: dict[str, Any]) -> None:
    async def main() -> None:
        async with running() as env:
            response = await env.api("POST", f"/task_scheduler/{await env.queue()}/task/", body)
            assert response.status_code == 400
            assert response.json()["message"].startswith("tasks: ")

    run(main())


def test_an_error_answer_never_repeats_a_number() -> None:
    async def main() -> None:
        async with running() as env:
            number = "79991234567" * 7
            body = {"tasks": [wish(b_number=number)]}
            response = await env.api("POST", f"/task_scheduler/{await env.queue()}/task/", body)
            assert response.status_code == 400
            assert "79991234567" not in response.text

    run(main())


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("task", ["99", "nonsense"])
def test_an_unknown_task_is_not_found(method: str, task: str) -> None:
    async def main() -> None:
        async with running() as env:
            response = await env.api(method, f"/task_scheduler/{await env.queue()}/task/{task}")
            assert (response.status_code, response.json()) == (404, {"message": "Record not found"})

    run(main())


def test_a_task_is_found_in_its_own_queue_only() -> None:
    async def main() -> None:
        async with running() as env:
            mine, other = await env.queue(), await env.queue()
            [task] = await env.tasks(mine, wish())
            response = await env.api("GET", f"/task_scheduler/{other}/task/{task['id']}")
            assert response.status_code == 404

    run(main())
