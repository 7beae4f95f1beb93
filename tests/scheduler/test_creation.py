"""No answer of a creation may make anybody's phone ring twice."""

import random
from collections.abc import Callable
from dataclasses import replace

import httpx2
import pytest
from starlette.responses import Response

from receiver.errors import (
    AmbiguousCreateError,
    QuotaExhaustedError,
    SchedulerNotFoundError,
    SchedulerRefusedError,
    SchedulerUnreachableError,
)
from receiver.observability.metrics import Metrics
from receiver.scheduler.account import SchedulerAccount
from receiver.scheduler.client import SchedulerClient
from receiver.scheduler.wire import NewTask, TaskRecord
from tests.scheduler.scheduler_env import (
    ACCOUNT,
    CREATE,
    NOW,
    TASKS,
    TOKEN,
    Script,
    Seen,
    SteppedClock,
    Store,
    lost,
    new_task,
    reply,
    unsent,
)

pytestmark = pytest.mark.anyio
THREE = [new_task(n) for n in range(3)]


@pytest.fixture
def store(script: Script) -> Store:
    return Store(script)


async def create_with(
    account: SchedulerAccount, script: Script, clock: SteppedClock, tasks: list[NewTask]
) -> list[TaskRecord]:
    transport = httpx2.ASGITransport(app=script.app)
    async with SchedulerClient(
        account, clock=clock, rng=random.Random(1), metrics=Metrics(), transport=transport
    ) as client:
        return await client.create_tasks(7, tasks)


def names(tasks: list[TaskRecord]) -> list[str | None]:
    return [task.name for task in tasks]


async def test_tasks_are_sent_with_all_their_fields(client: SchedulerClient, store: Store) -> None:
    task = new_task(1, extension_id=5, try_count=3, try_again_pause=60, url_success="https://h/s")
    (created,) = await client.create_tasks(7, [task])
    (sent,) = store.script.asked("POST", CREATE)
    assert sent.json == {
        "tasks": [
            {
                "name": "ref-1",
                "a_number": "101",
                "b_number": "79000000001",
                "extension_id": 5,
                "try_count": 3,
                "try_again_pause": "60",
                "url_before": "https://hooks.test/before/r1",
                "url_success": "https://h/s",
                "url_after": "https://hooks.test/after/r1",
            }
        ]
    }
    assert (created.id, created.name) == ("1", "ref-1")


async def test_nothing_to_create_asks_nobody(client: SchedulerClient) -> None:
    assert await client.create_tasks(7, []) == []
    assert client.calls == 0


async def test_many_tasks_go_in_chunks_and_come_back_in_order(client: SchedulerClient, store: Store) -> None:
    tasks = [new_task(n) for n in range(120)]
    created = await client.create_tasks(7, tasks)
    assert [len(seen.json["tasks"]) for seen in store.script.asked("POST", CREATE)] == [50, 50, 20]
    assert names(created) == [task.name for task in tasks]


SHAPES: list[Callable[[list[dict[str, object]]], object]] = [
    lambda tasks: {"tasks": tasks},
    lambda tasks: {"results": list(reversed(tasks))},
    lambda tasks: tasks[:1],
    lambda tasks: tasks[0],
    lambda tasks: {"id": 7, "name": "the queue", "status": "on"},
    lambda tasks: {"result": "ok"},
    lambda tasks: [task["id"] for task in tasks],
    lambda tasks: [{"id": task["id"]} for task in tasks],
    lambda tasks: None,
]


@pytest.mark.parametrize("shape", SHAPES)
async def test_any_shape_of_yes_gives_the_tasks_in_order_and_is_not_sent_again(
    client: SchedulerClient, store: Store, shape: Callable[[list[dict[str, object]]], object]
) -> None:
    def answer(seen: Seen) -> Response:
        store.create(seen)
        return reply(shape(store.tasks), 201)

    store.script.on("POST", CREATE, answer)
    assert names(await client.create_tasks(7, THREE)) == ["ref-0", "ref-1", "ref-2"]
    assert len(store.script.asked("POST", CREATE)) == 1


async def test_a_yes_that_the_list_does_not_bear_out_is_ambiguous_not_repeated(
    client: SchedulerClient, store: Store
) -> None:
    store.script.on("POST", CREATE, reply({"result": "ok"}))
    with pytest.raises(AmbiguousCreateError):
        await client.create_tasks(7, THREE)
    assert len(store.script.asked("POST", CREATE)) == 1


async def test_tasks_without_urls_are_told_by_their_order(client: SchedulerClient, store: Store) -> None:
    plain = [NewTask(name=f"n{n}", a_number="1", b_number="2") for n in range(2)]
    assert names(await client.create_tasks(7, [plain[0], THREE[0], plain[1]])) == ["n0", "ref-0", "n1"]


async def test_a_lost_answer_is_looked_up_and_not_sent_again(client: SchedulerClient, store: Store) -> None:
    store.add({"name": "older", "url_before": "https://hooks.test/before/older"})
    store.script.on("POST", CREATE, store.create_and_lose)
    assert names(await client.create_tasks(7, THREE)) == ["ref-0", "ref-1", "ref-2"]
    assert len(store.script.asked("POST", CREATE)) == 1


async def test_a_creation_still_under_way_is_waited_for(
    client: SchedulerClient, store: Store, clock: SteppedClock
) -> None:
    late: list[Seen] = []

    def begin(seen: Seen) -> Response:
        late.append(seen)
        raise lost()

    def listed(seen: Seen) -> Response:
        if clock.now() >= NOW + 3 and late:
            store.create(late.pop())
        return store.listed(seen)

    store.script.on("POST", CREATE, begin)
    store.script.on("GET", TASKS, listed)
    assert names(await client.create_tasks(7, THREE)) == ["ref-0", "ref-1", "ref-2"]
    assert len(store.tasks) == 3


@pytest.mark.parametrize("fault", [lost(), reply({}, 500), reply({}, 502), reply(None, 302)])
async def test_what_surely_is_not_there_is_sent_again(
    client: SchedulerClient, store: Store, fault: Response | Exception
) -> None:
    store.script.on("POST", CREATE, fault, store.create)
    assert names(await client.create_tasks(7, THREE)) == ["ref-0", "ref-1", "ref-2"]
    assert len(store.tasks) == 3


async def test_the_rest_of_a_batch_that_is_shown_partly_is_ambiguous(
    client: SchedulerClient, store: Store
) -> None:
    """Done partly, or shown partly by a list that ends too early: nobody can tell."""
    tasks = [new_task(n) for n in range(4)]
    store.script.on("POST", CREATE, store.create_half_and_fail, store.create)
    with pytest.raises(AmbiguousCreateError) as caught:
        await client.create_tasks(7, tasks)
    assert caught.value.refs == ("ref-2", "ref-3")
    assert store.names == ["ref-0", "ref-1"]


@pytest.mark.parametrize("shown", [7, 50, 100])
async def test_a_list_that_may_end_too_early_proves_no_absence(
    client: SchedulerClient, store: Store, shown: int
) -> None:
    for n in range(shown):
        store.add({"name": f"old-{n}", "url_after": f"https://hooks.test/after/old-{n}"})
    store.script.on("POST", CREATE, lost(), store.create)
    if shown == 7:  # no server ends its lists there
        assert names(await client.create_tasks(7, THREE)) == ["ref-0", "ref-1", "ref-2"]
        return
    with pytest.raises(AmbiguousCreateError):
        await client.create_tasks(7, THREE)


@pytest.mark.parametrize(
    "hide",
    [
        pytest.param(lambda store: store.tasks.clear(), id="the task before"),
        pytest.param(
            lambda store: store.script.on("GET", TASKS, lambda _: reply(store.tasks[:1])), id="further pages"
        ),
    ],
)
async def test_a_list_that_does_not_show_all_proves_no_absence(
    client: SchedulerClient, store: Store, hide: Callable[[Store], None]
) -> None:
    await client.create_tasks(7, [new_task(9)])
    hide(store)
    store.script.on("POST", CREATE, lost(), store.create)
    with pytest.raises(AmbiguousCreateError):
        await client.create_tasks(7, THREE)


async def test_a_task_is_recognised_by_any_of_its_urls_in_another_spelling(
    client: SchedulerClient, store: Store
) -> None:
    def create(seen: Seen) -> Response:
        store.add({"url_after": "https://HOOKS.test/after/%720", "name": "renamed"})
        raise lost()

    store.script.on("POST", CREATE, create)
    assert names(await client.create_tasks(7, THREE[:1])) == ["renamed"]


async def test_sending_again_is_bounded(client: SchedulerClient, store: Store) -> None:
    store.script.on("POST", CREATE, lost())
    with pytest.raises(AmbiguousCreateError) as caught:
        await client.create_tasks(7, THREE)
    assert caught.value.refs == ("ref-0", "ref-1", "ref-2")
    assert len(store.script.asked("POST", CREATE)) == 3


async def test_without_a_whole_list_nothing_is_sent_again(client: SchedulerClient, store: Store) -> None:
    store.script.on("POST", CREATE, lost())
    store.script.on("GET", TASKS, reply([{"id": n, "url_after": f"x{n}"} for n in range(100)]), lost())
    with pytest.raises(AmbiguousCreateError) as caught:
        await client.create_tasks(7, THREE)
    assert caught.value.refs == ("ref-0", "ref-1", "ref-2")
    assert len(store.script.asked("POST", CREATE)) == 1


@pytest.mark.parametrize(
    "tasks",
    [
        [NewTask(name="bare", a_number="1", b_number="2")],
        [NewTask(name=n, a_number="1", b_number="2", url_after="https://h/all") for n in ("x", "y")],
    ],
)
async def test_a_task_that_nothing_tells_apart_is_never_looked_for(
    client: SchedulerClient, store: Store, tasks: list[NewTask]
) -> None:
    store.script.on("POST", CREATE, lost())
    with pytest.raises(AmbiguousCreateError) as caught:
        await client.create_tasks(7, tasks)
    assert caught.value.refs == tuple(task.name for task in tasks)
    assert len(store.script.asked("POST", CREATE)) == 1
    assert store.script.asked("GET", TASKS) == []


async def test_no_phone_number_is_a_ref(client: SchedulerClient, store: Store) -> None:
    store.script.on("POST", CREATE, lost())
    with pytest.raises(AmbiguousCreateError) as caught:
        await client.create_tasks(7, [NewTask(name="call +7 900 123-45-67", a_number="1", b_number="2")])
    assert caught.value.refs == ("#0",)
    assert "900" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reply({"status": "rate_limit_exceeded"}, 429), QuotaExhaustedError),
        (reply({}, 400), SchedulerRefusedError),
        (reply({}, 404), SchedulerNotFoundError),
        (unsent(), SchedulerUnreachableError),
    ],
)
async def test_what_was_refused_or_never_left_was_not_created(
    client: SchedulerClient, store: Store, answer: Response | Exception, error: type[Exception]
) -> None:
    store.script.on("POST", CREATE, answer)
    with pytest.raises(error):
        await client.create_tasks(7, THREE)
    assert store.script.asked("GET", TASKS) == []


async def test_without_a_token_nothing_was_created(client: SchedulerClient, store: Store) -> None:
    store.script.on("POST", TOKEN, lost())
    with pytest.raises(SchedulerUnreachableError):
        await client.create_tasks(7, THREE)
    assert store.script.asked("POST", CREATE) == []


async def test_a_creation_goes_on_after_a_revoked_token(client: SchedulerClient, store: Store) -> None:
    store.script.on("POST", CREATE, reply({}, 401), store.create)
    assert len(await client.create_tasks(7, THREE)) == 3
    assert len(store.tasks) == 3


async def test_a_quota_that_ends_between_chunks_names_the_rest_and_not_what_exists(
    store: Store, script: Script, clock: SteppedClock
) -> None:
    script.on("POST", CREATE, store.create, reply({}, 429))
    with pytest.raises(AmbiguousCreateError) as caught:
        await create_with(replace(ACCOUNT, create_chunk=2), script, clock, THREE)
    assert caught.value.refs == ("ref-2",)
    assert isinstance(caught.value.__cause__, QuotaExhaustedError)
    assert store.names == ["ref-0", "ref-1"]
