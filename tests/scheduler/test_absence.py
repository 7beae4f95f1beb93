"""When a task that is not listed surely does not exist, so that it may be sent again."""

import random
from collections.abc import Callable
from dataclasses import replace

import httpx2
import pytest
from starlette.responses import Response

from receiver.domain.moments import utc_text
from receiver.errors import AmbiguousCreateError
from receiver.observability.metrics import Metrics
from receiver.scheduler.client import SchedulerClient
from tests.scheduler.scheduler_env import (
    ACCOUNT,
    CREATE,
    NOW,
    Script,
    Seen,
    SteppedClock,
    Store,
    lost,
    new_task,
)

pytestmark = pytest.mark.anyio
THREE = [new_task(n) for n in range(3)]


@pytest.fixture
def store(script: Script) -> Store:
    return Store(script)


def slow(clock: SteppedClock) -> Callable[[Seen], Response]:
    """The answer is lost only after so long that a call may be over."""

    def answer(seen: Seen) -> Response:
        clock.time += 30
        raise httpx2.ReadTimeout("slow")

    return answer


async def test_a_task_that_may_have_finished_out_of_sight_is_not_sent_again(
    client: SchedulerClient, store: Store, clock: SteppedClock
) -> None:
    store.script.on("POST", CREATE, slow(clock))
    with pytest.raises(AmbiguousCreateError):
        await client.create_tasks(7, THREE)
    assert len(store.script.asked("POST", CREATE)) == 1


async def test_a_finished_task_that_the_list_hides_is_not_dialled_twice(
    client: SchedulerClient, store: Store, clock: SteppedClock
) -> None:
    def finish_and_lose(seen: Seen) -> Response:
        store.create(seen)
        for task in store.tasks:
            task["status"] = "finished"
        return slow(clock)(seen)

    store.hides_finished = True
    store.script.on("POST", CREATE, finish_and_lose)
    with pytest.raises(AmbiguousCreateError):
        await client.create_tasks(7, THREE)
    assert len(store.tasks) == 3


async def test_a_list_that_shows_finished_tasks_hides_none(
    client: SchedulerClient, store: Store, clock: SteppedClock
) -> None:
    store.add({"name": "old", "status": "finished", "url_after": "https://hooks.test/after/old"})
    store.script.on("POST", CREATE, slow(clock), store.create)
    assert len(await client.create_tasks(7, THREE)) == 3


async def test_a_page_that_shows_no_finished_task_may_hide_some(
    client: SchedulerClient, store: Store, clock: SteppedClock
) -> None:
    store.add({"name": "old", "status": "finished", "url_after": "https://hooks.test/after/old"})
    for n in range(100):
        store.add({"name": f"new-{n}", "url_after": f"https://hooks.test/after/new-{n}"})
    store.script.on("POST", CREATE, slow(clock))
    with pytest.raises(AmbiguousCreateError):
        await client.create_tasks(7, THREE)
    assert len(store.script.asked("POST", CREATE)) == 1


async def test_the_account_may_be_known_to_list_finished_tasks(
    store: Store, script: Script, clock: SteppedClock
) -> None:
    script.on("POST", CREATE, slow(clock), store.create)
    account = replace(ACCOUNT, lists_finished=True)
    transport = httpx2.ASGITransport(app=script.app)
    async with SchedulerClient(
        account, clock=clock, rng=random.Random(1), metrics=Metrics(), transport=transport
    ) as client:
        assert len(await client.create_tasks(7, THREE)) == 3


@pytest.mark.parametrize("start", [3600, utc_text(NOW + 3600)])
async def test_a_task_that_starts_later_cannot_have_finished(
    client: SchedulerClient, store: Store, clock: SteppedClock, start: str | int
) -> None:
    store.script.on("POST", CREATE, slow(clock), store.create)
    assert len(await client.create_tasks(7, [new_task(1, start_time_utc=start)])) == 1


async def test_a_listed_task_without_urls_may_be_ours(client: SchedulerClient, store: Store) -> None:
    def create_bare(seen: Seen) -> Response:
        store.add({"create_date_utc": utc_text(NOW)})
        raise lost()

    store.script.on("POST", CREATE, create_bare)
    with pytest.raises(AmbiguousCreateError):
        await client.create_tasks(7, THREE[:1])
    assert len(store.tasks) == 1


async def test_an_old_task_without_urls_is_not_ours(client: SchedulerClient, store: Store) -> None:
    store.add({"create_date_utc": utc_text(NOW - 86_400)})
    store.script.on("POST", CREATE, lost(), store.create)
    assert len(await client.create_tasks(7, THREE)) == 3
