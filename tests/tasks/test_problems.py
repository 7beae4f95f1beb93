"""Problems as filters of the list of tasks, the search word, and the numbers of tasks beside them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.responses import Response

from receiver.domain.facts import TaskSnapshot
from receiver.tasks import count_endpoint, task_sources
from tests.http.api_env import T0, ApiEnv, finished, open_api_env
from tests.outcomes.delivery_env import DeliveryEnv, SteppedClock
from tests.outcomes.subscriber import Received, subscriber

pytestmark = pytest.mark.anyio

CUSTOMER = "+79161234567"
PROBLEMS = ("retrying", "overdue", "lost_hooks", "api_disagrees", "crm_untold")


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(T0 + 1_000)


@pytest.fixture
async def env(store_target: str, clock: SteppedClock) -> AsyncIterator[ApiEnv]:
    async with open_api_env(store_target, clock=clock) as env:
        yield env


async def keys(env: ApiEnv, **params: Any) -> list[str]:
    answer = await env.get("/v1/tasks", "read", "numbers", **params)
    return [task["key"] for task in answer["tasks"]]


async def numbers(env: ApiEnv, **params: Any) -> dict[str, Any]:
    """State or problem → number, with a `+` if there may be more; without zeros."""
    answer = await env.get("/v1/tasks/counts", "read", "numbers", **params)
    both = answer["states"] | answer["problems"]
    return {
        name: f"{count['number']}+" if count["at_least"] else count["number"]
        for name, count in both.items()
        if count["number"] or count["at_least"]
    }


async def fill(env: ApiEnv) -> None:
    """A task with each problem but an untold subscriber, and tasks that nearly have one."""
    await env.hook("again", "before", T0 + 700)
    await env.hook("again", "before_again", T0 + 800)
    await env.hook("paused", "before", T0 + 710)
    await env.said("paused", T0 + 990, TaskSnapshot("delayed", queue_id="17", pause=60.0), task_id="2")
    await env.said("later", T0 + 720, TaskSnapshot("delayed", queue_id="17", pause=900.0), task_id="3")
    await env.hook("first", "before", T0 + 730)
    await env.said("planned", T0 + 740, TaskSnapshot("scheduled", queue_id="18", start_at=T0 + 5_000), "4")
    await env.said("missed", T0 + 750, TaskSnapshot("scheduled", queue_id="18", start_at=T0 + 930), "5")
    await env.settled_without_after("lossy", T0, a_number="+79260000000")
    await env.hook("other", "after", T0 + 100, result="failed")
    await env.said("other", T0 + 130, finished(b_number=CUSTOMER), task_id="6")


async def test_each_problem_finds_its_tasks_only(env: ApiEnv) -> None:
    await fill(env)
    assert await keys(env, problem="retrying") == ["paused", "again"]
    assert await keys(env, problem="overdue") == ["missed"]
    assert await keys(env, problem="lost_hooks") == ["lossy"]
    assert await keys(env, problem="api_disagrees") == ["other"]
    assert await keys(env, problem="crm_untold") == []
    assert await keys(env, problem="retrying", queue_id="17", state="delayed") == ["paused"]
    assert await keys(env, problem="retrying", state="finished") == []
    assert await keys(env, problem="lost_hooks", until=T0) == []
    assert await keys(env, problem="lost_hooks", account="second") == []
    assert await keys(env, problem="api_disagrees", ref="other") == ["other"]
    assert await keys(env, problem="api_disagrees", ref="lossy") == []
    assert (await env.refused("/v1/tasks", 400, problem="retried"))["field"] == "problem"
    listed = (await env.get("/v1/tasks"))["tasks"]
    assert {task["key"]: task["problems"] for task in listed if task["problems"]} == {
        "missed": ["overdue"],
        "paused": ["retrying"],
        "again": ["retrying"],
        "other": ["api_disagrees"],
        "lossy": ["lost_hooks"],
    }


@pytest.mark.parametrize(
    ("ref", "begins"),
    [
        ("missed", T0 + 990),  # the planned start
        ("paused", T0 + 1_110),  # a pause after the last fact
        ("first", T0 + 730 + 3_600),  # an hour after the last fact of an attempt
    ],
)
@pytest.mark.parametrize("asked", [False, True])
async def test_a_task_is_overdue_from_a_defined_moment_whether_the_api_was_asked_or_not(
    env: ApiEnv, clock: SteppedClock, ref: str, begins: float, asked: bool
) -> None:
    await fill(env)
    if asked:
        await ask_later(env)
    clock.time = begins
    assert ref not in await keys(env, problem="overdue")
    clock.time = begins + 1
    assert ref in await keys(env, problem="overdue")
    assert ref in await keys(env, problem="overdue", account="main")


async def ask_later(env: ApiEnv) -> None:
    """Note that the API was asked about all tasks, in vain."""
    await env.store.write(lambda c: c.exec_driver_sql("UPDATE task SET ask_at = due_at + 900, asks = 3"))


async def failing(_received: Received) -> Response:
    return Response("out of order", status_code=500)


async def test_a_task_is_untold_while_a_message_is_late_has_failed_or_is_dead(
    env: ApiEnv, clock: SteppedClock
) -> None:
    delivery = DeliveryEnv(env.ledger_env, clock)
    async with subscriber() as crm:
        await delivery.subscribe(crm.url)
        await env.said("told", T0 + 900, finished(), task_id="1")
        async with delivery.delivering():
            await delivery.until("delivered", len(delivery.states()))
        await env.said("waiting", T0 + 1_000, finished(), task_id="2")
        assert await keys(env, problem="crm_untold") == []
        clock.time = T0 + 1_061
        assert await keys(env, problem="crm_untold") == ["waiting"]
        clock.time = T0 + 1_000
        crm.answering = failing
        tried = len(delivery.attempts())
        async with delivery.delivering():
            await delivery.tried(tried + 1)
        assert await keys(env, problem="crm_untold") == ["waiting"]
    await env.store.write(
        lambda c: c.exec_driver_sql("UPDATE message SET state = 'dead' WHERE state = 'waiting'")
    )
    await env.store.write(lambda c: c.exec_driver_sql("UPDATE message SET attempts = 0"))
    assert await keys(env, problem="crm_untold", account="main") == ["waiting"]
    assert (await numbers(env))["crm_untold"] == 1
    await env.store.write(lambda c: c.exec_driver_sql("UPDATE message SET state = 'replayed'"))
    assert await keys(env, problem="crm_untold") == []


@pytest.mark.parametrize("most", [0, 1, 1_000])
async def test_few_and_many_tasks_with_a_problem_are_the_same_list(
    env: ApiEnv, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Few are sorted, many are found by a walk in the order of the list."""
    await fill(env)
    await DeliveryEnv(env.ledger_env, clock).subscribe("http://127.0.0.1:9")
    for number in range(5):
        await env.said(f"u{number}", T0 + 300 + number, finished(queue_id="18"), task_id=f"5{number}")
    clock.time = T0 + 9_000
    monkeypatch.setattr(task_sources, "MOST_KEYS", most)
    for problem, expected in (
        ("crm_untold", ["u4", "u3", "u2", "u1", "u0"]),
        ("overdue", ["missed", "planned", "first", "later", "paused", "again"]),
    ):
        walked, cursor = list[str](), dict[str, str]()
        for _ in range(9):
            page = await env.get("/v1/tasks", "read", problem=problem, limit=2, **cursor)
            walked += [task["key"] for task in page["tasks"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert walked == expected


async def test_a_page_of_a_problem_looks_at_some_tasks_only_and_goes_on(
    env: ApiEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        await env.settled_without_after(f"l{number}", T0 + number, queue_id="17" if number < 2 else "18")
    monkeypatch.setattr(task_sources, "MOST_WALKED", 3)
    first = await env.get("/v1/tasks", problem="lost_hooks", queue_id="17")
    assert (first["tasks"], bool(first["next_cursor"])) == ([], True)
    rest = await env.get("/v1/tasks", problem="lost_hooks", queue_id="17", cursor=first["next_cursor"])
    assert [task["key"] for task in rest["tasks"]] == ["l1", "l0"]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("other", ["other"]),  # a ref
        ("6", ["other"]),  # an id
        ("+7 916 123-45-67", ["other"]),
        ("4567", ["other"]),  # last digits
        ("4711", ["other", "lossy"]),  # part of the names
        ("ORDER", ["other", "lossy"]),
        ("ssy", ["lossy"]),  # part of a ref
        ("nothing of it", []),
    ],
)
async def test_one_word_finds_ref_id_number_or_text(env: ApiEnv, word: str, found: list[str]) -> None:
    await fill(env)
    assert await keys(env, q=word) == found
    assert (await numbers(env, q=word)).get("finished", 0) == len(found)
    assert await keys(env, q=word, state="gone") == []


async def test_a_word_is_looked_for_alone(env: ApiEnv) -> None:
    for name in ("phone", "ref", "task_id", "text"):
        error = await env.refused("/v1/tasks", 400, q="4711", **{name: "4711"})
        assert (error["field"], name in error["message"]) == ("q", True)


async def test_numbers_need_their_scope_and_are_recorded_masked(env: ApiEnv) -> None:
    await fill(env)
    for path in ("/v1/tasks", "/v1/tasks/counts"):
        for word in (CUSTOMER, "8 (916) 123-45-67", "89161234567"):
            answer = await env.ask(path, "read", params={"q": word})
            assert (answer.status_code, "'numbers'" in answer.text) == (403, True)
    for word in ("6", "4711", "other"):  # ids and refs of digits need nothing
        assert (await env.ask("/v1/tasks", "read", params={"q": word})).status_code == 200
    assert (await env.get("/v1/audit", "audit"))["records"] == []
    await keys(env, q="8 916 123 45 67")
    await numbers(env, q="4567")
    records = (await env.get("/v1/audit", "audit"))["records"]
    assert [(row["action"], row["object"], row["detail"]["tasks"]) for row in records] == [
        ("numbers.find", "…4567", 1),
        ("numbers.find", "+791•••67", 1),
    ]


async def test_each_search_for_a_person_is_one_record(env: ApiEnv) -> None:
    await fill(env)
    for path in ("/v1/tasks", "/v1/tasks/counts"):
        for given in ({"q": CUSTOMER}, {"phone": CUSTOMER}, {"text": CUSTOMER}):
            before = (await env.get("/v1/audit", "audit"))["records"]
            counts = {"counts": True} if path == "/v1/tasks" else {}
            await env.get(path, "read", "numbers", **given, **counts)
            records = (await env.get("/v1/audit", "audit"))["records"]
            assert len(records) == len(before) + 1, (path, given)


async def test_the_list_counts_as_the_endpoint_of_counts_does(
    env: ApiEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        await env.settled_without_after(f"l{number}", T0 + number)
    monkeypatch.setattr(count_endpoint, "MOST_COUNTED", 4)
    monkeypatch.setattr(count_endpoint, "MOST_READ", 3)
    monkeypatch.setattr(count_endpoint, "_looks", count_endpoint._looks.__wrapped__)
    for given in ({}, {"since": T0}, {"confidence": "events"}, {"q": "l1"}):
        counts = await env.get("/v1/tasks/counts", "read", **given)
        page = await env.get("/v1/tasks", "read", **given, counts=True, limit=1)
        assert page["counts"] == counts, given
        rest = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
        following = await env.get("/v1/tasks", "read", **given, **rest, counts=True, limit=1)
        assert following["counts"] == counts, given
    assert (await env.get("/v1/tasks", "read"))["counts"] is None


async def test_numbers_of_tasks_are_what_the_list_shows_with_each_state_and_problem(env: ApiEnv) -> None:
    await fill(env)
    cases: list[dict[str, Any]] = [
        {},
        {"account": "main"},
        {"account": "main", "queue_id": "17"},
        {"since": T0 + 705, "until": T0 + 760},
        {"account": "main", "queue_id": "18", "until": T0 + 745},
        {"state": "delayed"},
        {"problem": "retrying"},
        {"problem": "overdue", "state": "scheduled"},
        {"problem": "lost_hooks"},
        {"confidence": "reconciled"},
        {"q": "order"},
        {"q": "other"},
        {"phone": CUSTOMER, "state": "finished"},
        {"text": "order", "problem": "api_disagrees"},
    ]
    for params in cases:
        found = await numbers(env, **params)
        for state in ("new", "scheduled", "executed", "delayed", "connected", "finished", "gone"):
            assert found.get(state, 0) == len(await keys(env, **params | {"state": state})), (params, state)
        for problem in PROBLEMS:
            listed = len(await keys(env, **params | {"problem": problem}))
            assert found.get(problem, 0) == listed, (params, problem)


async def test_what_was_not_looked_at_is_said(env: ApiEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        await env.settled_without_after(f"l{number}", T0 + number, queue_id="17" if number < 2 else "18")
    monkeypatch.setattr(count_endpoint, "MOST_COUNTED", 4)
    monkeypatch.setattr(count_endpoint, "MOST_READ", 3)
    monkeypatch.setattr(count_endpoint, "_looks", count_endpoint._looks.__wrapped__)
    assert await numbers(env) == {"finished": 6, "lost_hooks": "4+"}
    assert (await numbers(env, account="main", queue_id="17"))["lost_hooks"] == "0+"
    assert await numbers(env, since=T0) == {"finished": "4+", "lost_hooks": "4+"}
    assert (await numbers(env, text="order"))["finished"] == "4+"
