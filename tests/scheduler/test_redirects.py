"""Redirects: followed within the host, once, and remembered; the token goes nowhere else."""

import pytest
from starlette.responses import RedirectResponse, Response

from receiver.errors import AmbiguousCreateError, SchedulerNotFoundError, SchedulerRefusedError
from receiver.observability.metrics import Metrics
from receiver.scheduler.client import SchedulerClient
from receiver.scheduler.wire import NewQueue
from tests.scheduler.scheduler_env import (
    CREATE,
    QUEUE,
    QUEUES,
    TOKEN,
    Script,
    Store,
    lost,
    new_task,
    outcomes,
    reply,
)

pytestmark = pytest.mark.anyio
SLASHED = f"{QUEUE}/"


def moved(where: str, status: int = 301) -> Response:
    return RedirectResponse(where, status)


async def test_a_missing_slash_is_added_and_remembered(client: SchedulerClient, script: Script) -> None:
    script.on("GET", QUEUE, moved(SLASHED))
    script.on("GET", SLASHED, reply({"id": 7}))
    other = QUEUE.replace("/7", "/8")
    script.on("GET", f"{other}/", reply({"id": 8}))
    assert [(await client.get_queue(id)).id for id in (7, 7, 8)] == ["7", "7", "8"]
    assert [len(script.asked("GET", path)) for path in (QUEUE, SLASHED, other)] == [1, 2, 0]


async def test_a_slash_too_many_is_taken_away(client: SchedulerClient, script: Script) -> None:
    script.on("GET", QUEUES, moved(QUEUES.rstrip("/"), 308))
    script.on("GET", QUEUES.rstrip("/"), reply([]))
    for _ in range(2):
        assert await client.list_queues() == []
    assert len(script.asked("GET", QUEUES)) == 1
    assert script.asked("GET", QUEUES.rstrip("/"))[0].query == {"page": "1", "per_page": "100"}


async def test_a_path_that_has_moved_is_remembered_for_all_below_it(
    client: SchedulerClient, script: Script
) -> None:
    there = QUEUE.replace("ver1.0", "ver1.1")
    script.on("GET", QUEUE, moved(there, 308))
    script.on("GET", there, reply({"id": 7}))
    script.on("GET", f"{there}/task/3", reply({"id": 3}))
    await client.get_queue(7)
    assert (await client.get_task(7, 3)).id == "3"
    assert len(script.asked("GET", QUEUE)) == 1
    assert script.asked("GET", f"{QUEUE}/task/3") == []


@pytest.mark.parametrize(
    "where",
    [
        "https://elsewhere.test/api",
        "//elsewhere.test/api",
        "http://scheduler.test:81/api",
        "http://user:word@scheduler.test/api",
        "http://[broken",
        "javascript:alert(1)",
    ],
)
async def test_a_redirect_to_another_host_is_a_refusal_and_takes_no_token_along(
    client: SchedulerClient, script: Script, metrics: Metrics, where: str
) -> None:
    script.on("GET", QUEUE, Response(status_code=302, headers={"Location": where}))
    with pytest.raises(SchedulerRefusedError, match="base_url"):
        await client.get_queue(7)
    assert outcomes(metrics, "get_queue") == {"redirected": 1}


async def test_a_chain_of_redirects_is_followed_once(client: SchedulerClient, script: Script) -> None:
    script.on("GET", QUEUE, moved(SLASHED))
    script.on("GET", SLASHED, moved(QUEUE))
    with pytest.raises(SchedulerRefusedError):
        await client.get_queue(7)
    assert len(script.asked("GET", QUEUE)) == len(script.asked("GET", SLASHED)) == 1


async def test_a_redirect_to_a_login_page_is_not_remembered(client: SchedulerClient, script: Script) -> None:
    script.on("GET", QUEUE, moved("/login", 302), reply({"id": 7}))
    script.on("GET", "/login", Response("<html>log in</html>"))
    assert (await client.get_queue(7)).id == "7"
    assert len(script.asked("GET", "/login")) == 1


async def test_a_404_where_a_redirect_led_once_is_asked_for_at_the_old_place(
    client: SchedulerClient, script: Script
) -> None:
    script.on("GET", QUEUE, moved(SLASHED), reply({"id": 7, "name": "again"}))
    script.on("GET", SLASHED, reply({"id": 7}), reply({}, 404))
    await client.get_queue(7)
    assert (await client.get_queue(7)).name == "again"


async def test_what_is_gone_behind_a_redirect_is_gone(client: SchedulerClient, script: Script) -> None:
    script.on("GET", QUEUE, moved(SLASHED))
    script.on("GET", SLASHED, reply({"id": 7}), reply({}, 404))
    await client.get_queue(7)
    with pytest.raises(SchedulerNotFoundError):
        await client.get_queue(7)


async def test_a_token_behind_a_redirect_is_got(client: SchedulerClient, script: Script) -> None:
    script.on("POST", TOKEN, moved(f"{TOKEN}/", 307))
    script.on("POST", f"{TOKEN}/", reply({"access_token": "t", "expires_in": 3600}))
    script.on("GET", QUEUE, reply({"id": 7}))
    await client.get_queue(7)
    assert b"client_secret" in script.asked("POST", f"{TOKEN}/")[0].body


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_creation_is_sent_where_only_a_slash_was_missing(
    client: SchedulerClient, script: Script, status: int
) -> None:
    bare = CREATE.rstrip("/")
    store = Store(script)
    script.on("POST", CREATE, moved(bare, status))
    script.on("POST", bare, store.create)
    assert len(await client.create_tasks(7, [new_task(1)])) == len(store.tasks) == 1


@pytest.mark.parametrize(("status", "where"), [(303, QUEUES), (302, f"{QUEUES}7")])
async def test_a_redirect_to_what_a_creation_has_made_creates_nothing_again(
    client: SchedulerClient, script: Script, status: int, where: str
) -> None:
    script.on("POST", QUEUES, moved(where, status))
    with pytest.raises(AmbiguousCreateError):
        await client.create_queue(NewQueue(name="support"))
    assert len(script.seen) == 2


@pytest.mark.parametrize("method", ["DELETE", "POST"])
async def test_a_page_for_people_is_no_answer_to_a_change(
    client: SchedulerClient, script: Script, method: str
) -> None:
    page = Response("\n <!DOCTYPE html><html>maintenance</html>")
    if method == "DELETE":
        script.on("DELETE", QUEUE, page, page, reply(None, 204))
        await client.delete_queue(7)
        assert len(script.asked("DELETE", QUEUE)) == 3
        return
    store = Store(script)
    script.on("POST", CREATE, page, store.create)
    assert len(await client.create_tasks(7, [new_task(1)])) == len(store.tasks) == 1


async def test_a_delete_that_a_lost_answer_doubts_is_done_behind_a_redirect_too(
    client: SchedulerClient, script: Script
) -> None:
    script.on("DELETE", QUEUE, moved(SLASHED, 308))
    script.on("DELETE", SLASHED, lost(), reply({}, 404))
    await client.delete_queue(7)
