"""Lists as APIs of this kind serve them: shifting, capped, with broken records, without URLs."""

from typing import Any

import pytest
from starlette.responses import Response

from receiver.errors import SchedulerNotFoundError, SchedulerUnreachableError
from receiver.scheduler.client import SchedulerClient
from receiver.scheduler.wire import TaskRecord
from tests.scheduler.scheduler_env import (
    CREATE,
    NOW,
    QUEUES,
    TASKS,
    Script,
    Seen,
    Store,
    lost,
    new_task,
    reply,
)

pytestmark = pytest.mark.anyio
NOT_FOUND = reply({"message": "Record not found"}, 404)


async def ids(client: SchedulerClient) -> list[str]:
    return [task.id async for task in client.iter_tasks(7)]


@pytest.mark.parametrize("pages", [1, 2])
async def test_a_page_that_was_shifted_back_whole_is_not_the_end(
    client: SchedulerClient, script: Script, pages: int
) -> None:
    old = [reply([{"id": n} for n in range(first, first + 20)]) for first in (0, 20, 40)]
    shifted = [reply([{"id": n} for n in range(10, 30)])] * pages
    script.on("GET", TASKS, old[0], old[1], *shifted[:1], *old[:1] * (pages - 1), old[2], reply([]))
    assert len(await ids(client)) == 60


async def test_a_server_that_serves_its_newest_tasks_on_every_page_is_not_read_for_ever(
    client: SchedulerClient, script: Script
) -> None:
    script.on("GET", TASKS, lambda seen: reply([{"id": n % 30} for n in range(int(seen.query["page"]), 99)]))
    await ids(client)
    assert len(script.asked("GET", TASKS)) <= 25


async def test_a_momentary_404_behind_a_full_page_is_not_the_end(
    client: SchedulerClient, script: Script
) -> None:
    pages = [reply([{"id": n} for n in range(first, first + 50)]) for first in (0, 50)]
    script.on("GET", TASKS, pages[0], NOT_FOUND, pages[1], reply([]))
    assert len(await ids(client)) == 100


async def test_a_404_that_lasts_behind_a_full_page_is_none_of_a_server_that_is_behind(
    client: SchedulerClient, script: Script
) -> None:
    script.on("GET", TASKS, reply([{"id": n} for n in range(50)]), NOT_FOUND)
    assert len(await ids(client)) == 50
    assert len(script.asked("GET", TASKS)) == 4


async def test_a_404_behind_a_short_page_is_believed_at_once(client: SchedulerClient, script: Script) -> None:
    full, short = ([{"id": n} for n in range(count)] for count in (50, 20))
    script.on("GET", TASKS, reply(full), reply([]))
    await ids(client)
    script.on("GET", TASKS, reply(short), NOT_FOUND)
    await client.tasks.page(1, queue_id=7)
    with pytest.raises(SchedulerNotFoundError):
        await client.tasks.page(2, queue_id=7)
    assert len(script.asked("GET", TASKS)) == 4


BROKEN: list[Any] = [
    None,
    "x",
    [],
    {},
    {"id": None},
    {"id": ""},
    {"id": {"a": 1}},
    {"id": True},
    {"id": "a b"},
    {"id": "9" * 129},
    {"name": "x"},
]


@pytest.mark.parametrize("broken", BROKEN)
async def test_one_broken_record_does_not_spoil_a_page(
    client: SchedulerClient, script: Script, broken: object
) -> None:
    script.on("GET", TASKS, reply([{"id": 1}, broken, {"id": 2}]))
    page = await client.tasks.page(1, queue_id=7)
    assert ([task.id for task in page.records], len(page.broken)) == (["1", "2"], 1)


@pytest.mark.parametrize("broken", BROKEN)
async def test_one_broken_queue_does_not_spoil_the_list(
    client: SchedulerClient, script: Script, broken: object
) -> None:
    script.on("GET", QUEUES, reply([broken, {"id": 7, "status": "On"}]))
    (queue,) = await client.list_queues()
    (page,) = [page async for page in client.queues.pages()]
    assert (queue.id, queue.is_on, len(page.broken)) == ("7", True, 1)


async def test_a_broken_record_is_named_by_its_id_or_its_place(
    client: SchedulerClient, script: Script
) -> None:
    script.on("GET", TASKS, reply([{"id": 1}, {"id": "7" * 129}, [], {"id": "a b"}]))
    assert (await client.tasks.page(1, queue_id=7)).broken == ("#2", "#3", "#4")


async def test_a_page_of_broken_records_alone_is_a_fault(client: SchedulerClient, script: Script) -> None:
    script.on("GET", TASKS, reply([{"name": "a"}, 5]))
    with pytest.raises(SchedulerUnreachableError):
        await client.tasks.page(1, queue_id=7)


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_broken_record_may_be_the_task_whose_creation_got_no_answer(
    client: SchedulerClient, script: Script, broken: object
) -> None:
    """It is looked for before it is sent again."""
    script.on("POST", CREATE, lost())
    script.on("GET", TASKS, reply([{"id": 1, "url_after": "https://other.test"}, broken]))
    with pytest.raises(Exception, match="not known to exist"):
        await client.create_tasks(7, [new_task(1)])
    assert len(script.asked("POST", CREATE)) == 1


@pytest.mark.parametrize(
    ("told", "read"), [("Finished", "finished"), (" FINISHED ", "finished"), ("Delayed_ASR", "delayed_asr")]
)
def test_words_are_read_in_any_case(told: str, read: str) -> None:
    record = TaskRecord.model_validate({"id": 1, "status": told, "finish_result": "Success"})
    assert (record.status, record.finish_result) == (read, "success")
    assert record.is_finished == (read == "finished")


@pytest.mark.parametrize("date", ["0001-01-01 00:00:00", "1970-01-01 00:00:00", "9999-12-31 23:59:59"])
def test_a_year_that_fills_an_empty_date_is_no_moment(date: str) -> None:
    record = TaskRecord.model_validate({"id": 1, "create_date_utc": date, "start_time_utc": date})
    assert (record.created_at, record.starts_at) == (None, None)
    after = TaskRecord.model_validate(
        {"id": 1, "create_date_utc": "2023-11-14 22:13:20", "start_time_utc": 9}
    )
    assert after.starts_at == NOW + 9


@pytest.mark.parametrize(
    ("field", "value"),
    [("try_count", 10**12), ("try_count", "1e18"), ("scheduler_id", "q" * 129), ("cdr", "c" * 5000)],
)
def test_a_value_that_no_table_holds_is_no_value(field: str, value: object) -> None:
    assert getattr(TaskRecord.model_validate({"id": 1, field: value}), field) is None


class Mute(Store):
    """A scheduler that never echoes the URLs. `fields`: what it echoes."""

    fields: tuple[str, ...] = ("id", "name", "status")

    def create(self, seen: Seen) -> Response:
        first = len(self.tasks)
        super().create(seen)
        return reply([self.shown(task) for task in self.tasks[first:]])

    def listed(self, seen: Seen) -> Response:
        return reply([self.shown(task) for task in self.tasks] if seen.query["page"] == "1" else [])

    def shown(self, task: dict[str, Any]) -> dict[str, Any]:
        return {name: task[name] for name in self.fields}


@pytest.mark.parametrize("fields", [("id", "name", "status"), ("id",)])
async def test_tasks_are_told_by_their_order_where_no_url_is_echoed(
    client: SchedulerClient, script: Script, fields: tuple[str, ...]
) -> None:
    store = Mute(script)
    store.fields = fields
    created = await client.create_tasks(7, [new_task(n) for n in range(3)])
    assert [task.id for task in created] == ["1", "2", "3"]
    assert len(script.asked("POST", CREATE)) == 1


async def test_tasks_without_urls_whose_names_do_not_fit_are_not_taken(
    client: SchedulerClient, script: Script
) -> None:
    store = Mute(script)

    def create(seen: Seen) -> Response:
        store.create(seen)
        return reply([{"id": 1, "name": "another"}])

    script.on("POST", CREATE, create)
    with pytest.raises(Exception, match="not known to exist"):
        await client.create_tasks(7, [new_task(1)])
