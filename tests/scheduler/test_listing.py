import pytest

from receiver.errors import SchedulerNotFoundError, SchedulerUnreachableError
from receiver.scheduler.client import SchedulerClient
from tests.scheduler.scheduler_env import QUEUES, TASKS, Script, Store, lost, reply

pytestmark = pytest.mark.anyio


def fill(store: Store, count: int) -> None:
    for n in range(count):
        store.add({"name": f"ref-{n}"})


@pytest.fixture
def store(script: Script) -> Store:
    return Store(script)


async def names(client: SchedulerClient) -> list[str | None]:
    return [task.name async for task in client.iter_tasks(7)]


@pytest.mark.parametrize("wrap", [None, "tasks", "task", "results", "items"])
async def test_a_page_is_an_array_or_an_envelope(
    client: SchedulerClient, script: Script, wrap: str | None
) -> None:
    body = [{"id": 1}, {"id": "2"}]
    script.on("GET", TASKS, reply(body if wrap is None else {"page": 3, wrap: body}))
    assert [task.id for task in (await client.tasks.page(3, queue_id=7)).records] == ["1", "2"]
    assert script.asked("GET", TASKS)[0].query == {"page": "3", "per_page": "100"}


@pytest.mark.parametrize("empty", [[], {"tasks": []}, {"tasks": None}])
async def test_an_empty_list_is_no_error(client: SchedulerClient, script: Script, empty: object) -> None:
    script.on("GET", TASKS, reply(empty))
    assert await names(client) == []


@pytest.mark.parametrize("odd", [{}, "x", 5, None, {"message": "fine"}, {"tasks": "x"}, [1], [{"name": "x"}]])
async def test_another_shape_is_a_fault_never_an_empty_list(
    client: SchedulerClient, script: Script, odd: object
) -> None:
    script.on("GET", TASKS, reply(odd))
    with pytest.raises(SchedulerUnreachableError, match="list_tasks"):
        await names(client)


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 200, 250])
async def test_all_tasks_are_read_page_by_page(client: SchedulerClient, store: Store, count: int) -> None:
    fill(store, count)
    assert await names(client) == store.names


@pytest.mark.parametrize("count", [20, 39, 40, 41])
async def test_a_server_with_shorter_pages_than_asked_for_loses_nothing(
    client: SchedulerClient, store: Store, count: int
) -> None:
    store.cap = 20
    fill(store, count)
    assert await names(client) == store.names


async def test_a_page_shorter_than_another_seen_is_the_last(
    client: SchedulerClient, store: Store, script: Script
) -> None:
    fill(store, 110)
    await names(client)
    assert len(script.asked("GET", TASKS)) == 2
    del store.tasks[30:]
    await names(client)
    assert len(script.asked("GET", TASKS)) == 3


async def test_a_server_without_pages_is_read_once(client: SchedulerClient, script: Script) -> None:
    script.on("GET", TASKS, reply([{"id": n, "name": str(n)} for n in range(150)]))
    assert len(await names(client)) == 150
    assert len(script.asked("GET", TASKS)) == 2


async def test_a_task_that_moves_to_a_later_page_is_given_once(
    client: SchedulerClient, script: Script
) -> None:
    script.on("GET", TASKS, reply([{"id": 1}, {"id": 2}]), reply([{"id": 2}, {"id": 3}]), reply([]))
    assert [task.id async for task in client.iter_tasks(7)] == ["1", "2", "3"]


async def test_a_list_that_breaks_off_is_an_error_not_an_end(client: SchedulerClient, script: Script) -> None:
    script.on("GET", TASKS, reply([{"id": n} for n in range(100)]), lost())
    with pytest.raises(SchedulerUnreachableError):
        await names(client)


async def test_a_queue_deleted_under_the_reader_is_an_error(client: SchedulerClient, script: Script) -> None:
    script.on("GET", TASKS, reply([{"id": n} for n in range(100)]), reply({}, 404))
    with pytest.raises(SchedulerNotFoundError):
        await names(client)


async def test_a_404_beyond_a_short_page_is_the_end(client: SchedulerClient, script: Script) -> None:
    script.on("GET", TASKS, reply([{"id": 1}]), reply({}, 404))
    assert len(await names(client)) == 1


@pytest.mark.parametrize("wrap", [None, "task_schedulers", "results", "items"])
async def test_all_queues_are_read(client: SchedulerClient, script: Script, wrap: str | None) -> None:
    body = [{"id": 7, "name": "a"}]
    script.on("GET", QUEUES, reply(body if wrap is None else {wrap: body}))
    assert [queue.name for queue in await client.list_queues()] == ["a"]
