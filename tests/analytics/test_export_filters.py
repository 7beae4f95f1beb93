"""An export of tasks or attempts with filters has what the list shows with them, oldest first."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import insert

from receiver.analytics import export_pages
from receiver.analytics.views import RELATIONS
from receiver.domain.facts import QueueSnapshot, queue_fact
from receiver.ledger.tables import DIRTY_TASK
from receiver.tasks import task_sources
from tests.analytics.odd import Row, read_csv, read_jsonl
from tests.http.api_env import T0, ApiEnv, finished, open_api_env
from tests.outcomes.delivery_env import DeliveryEnv, SteppedClock
from tests.tasks.test_problems import fill as fill_problems

pytestmark = pytest.mark.anyio

CUSTOMER, MASKED = "+79161234567", "+791•••67"

READ = {"csv": read_csv, "jsonl": read_jsonl}

FILTERS: tuple[dict[str, Any], ...] = (
    {"queue_id": "17"},
    {"queue_id": "17", "account": "main"},
    {"queue_id": "call-backs"},
    {"state": "finished"},
    {"state": "delayed"},
    {"state": "gone"},
    {"finish_result": "failed"},
    {"finish_result": "unknown", "account": "second"},
    {"confidence": "events"},
    {"settled": "true"},
    {"settled": "false", "since": T0 + 705, "until": T0 + 760},
    {"ref": "other"},
    {"task_id": "6"},
    {"task_id": "6", "account": "second"},
    {"lost": "true"},
    {"lost": "false"},
    {"phone": CUSTOMER},
    {"phone": "4567"},
    {"phone": "4567", "state": "finished", "since": T0 + 50},
    {"reason": "busy"},
    {"name": "ЗАКАЗ 100%"},
    {"text": "order"},
    {"text": "?"},
    {"problem": "retrying"},
    {"problem": "retrying", "state": "delayed"},
    {"problem": "retrying", "state": "finished"},
    {"problem": "overdue"},
    {"problem": "overdue", "state": "scheduled"},
    {"problem": "lost_hooks", "queue_id": "17", "account": "main"},
    {"problem": "api_disagrees"},
    {"problem": "crm_untold"},
    {"problem": "crm_untold", "state": "finished", "queue_id": "17"},
    {"q": "other"},
    {"q": "6"},
    {"q": "8 916 123-45-67"},
    {"q": "4567"},
    {"q": "order"},
    {"q": "order", "problem": "api_disagrees", "finish_result": "success"},
    {"q": "4567", "state": "finished"},
    {"q": "nothing of it"},
)


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(T0 + 1_100)


@pytest.fixture
async def env(
    store_target: str, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ApiEnv]:
    """A stretch of two tasks."""
    monkeypatch.setattr(export_pages, "STRETCH", 2)
    async with open_api_env(store_target, clock=clock) as env:
        yield env


async def fill(env: ApiEnv, clock: SteppedClock) -> None:
    """Tasks of which each filter has some: of two accounts, with equal moments, one number on both legs."""
    await env.record([queue_fact("main", T0, QueueSnapshot("18", status="on", name="call-backs"))])
    await fill_problems(env)
    await DeliveryEnv(env.ledger_env, clock).subscribe("http://127.0.0.1:9")
    both = {"a_number": CUSTOMER, "b_number": "8 (916) 123-45-67"}
    await env.said("both", T0 + 200, finished(name="Заказ 100% sure?", **both), task_id="other")
    busy = finished(finish_result="failed", finish_comment="busy", try_count=1, a_number="+79260004567")
    for number in range(5):
        await env.said(f"b{number}", T0 + 100, busy, f"7{number}", account=("main", "second")[number % 2])
    await env.said(None, T0 + 300, finished(name=None, finish_result=None), "555", account="second")


async def listed(env: ApiEnv, **filters: Any) -> list[tuple[str, str]]:
    """Account and key of the tasks on all pages of the list, oldest first."""
    found, cursor = list[tuple[str, str]](), dict[str, str]()
    while True:
        page = await env.get("/v1/tasks", "read", "numbers", limit=3, **filters, **cursor)
        found += [(task["account"], task["key"]) for task in page["tasks"]]
        if page["next_cursor"] is None:
            return found[::-1]
        cursor = {"cursor": page["next_cursor"]}


async def exported(env: ApiEnv, relation: str = "tasks", form: str = "csv", **asked: Any) -> list[Row]:
    path = f"/v1/export/{relation}"
    answer = await env.ask(path, "read", "numbers", params={"format": form, **asked})
    assert answer.status_code == 200, answer.text
    return READ[form](answer.content)


def places(rows: list[Row]) -> list[tuple[str, str]]:
    return [(row["account"], row["key"]) for row in rows]


async def test_a_file_has_the_tasks_that_the_list_shows(env: ApiEnv, clock: SteppedClock) -> None:
    await fill(env, clock)
    whole = await listed(env)
    found = [await listed(env, **filters) for filters in FILTERS]
    for filters, expected in zip(FILTERS, found, strict=True):
        for form in READ:
            assert places(await exported(env, form=form, **filters)) == expected, (filters, form)
        assert 0 < len(expected) < len(whole) or filters in EMPTY, filters


EMPTY: tuple[dict[str, Any], ...] = (
    {"state": "gone"},
    {"task_id": "6", "account": "second"},
    {"problem": "retrying", "state": "finished"},
    {"q": "nothing of it"},
)


@pytest.mark.parametrize("form", READ)
@pytest.mark.parametrize("relation", ["tasks", "attempts"])
async def test_an_export_with_filters_goes_on_behind_any_row(
    env: ApiEnv, clock: SteppedClock, relation: str, form: str
) -> None:
    await fill(env, clock)
    for filters in ({"finish_result": "failed"}, {"q": "4567"}, {"problem": "retrying"}):
        whole = await exported(env, relation, form, **filters)
        assert len(whole) > 1
        for place, row in enumerate(whole, 1):
            rest = await exported(env, relation, form, **filters, after=row["position"])
            assert rest == whole[place:]
            assert await exported(env, relation, form, **filters, limit=place) == whole[:place]


async def test_attempts_are_those_of_the_tasks(env: ApiEnv, clock: SteppedClock) -> None:
    await fill(env, clock)
    every = await exported(env, "attempts")
    for filters in FILTERS:
        tasks = set(await listed(env, **filters))
        expected = [row for row in every if (row["account"], row["key"]) in tasks]
        assert await exported(env, "attempts", **filters) == expected, filters


@pytest.mark.parametrize("most", [0, 1, 1_000])
@pytest.mark.parametrize("stretch", [1, 3, 5_000])
async def test_stretches_of_any_size_and_any_number_of_problems_make_the_same_file(
    env: ApiEnv, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch, most: int, stretch: int
) -> None:
    await fill(env, clock)
    monkeypatch.setattr(task_sources, "MOST_KEYS", most)
    monkeypatch.setattr(export_pages, "STRETCH", stretch)
    for filters in ({"problem": "overdue"}, {"problem": "crm_untold"}, {"phone": "4567"}, {"q": "other"}):
        assert places(await exported(env, **filters)) == await listed(env, **filters) != []


async def test_a_file_with_filters_ends_before_what_is_not_folded_yet(
    env: ApiEnv, clock: SteppedClock
) -> None:
    await fill(env, clock)
    found = [("main", "other"), ("main", "both"), ("second", "#555")]
    assert places(await exported(env, q=CUSTOMER)) == found
    row = {"account": "main", "name": "late", "since": T0 + 150, "failures": 0}
    await env.store.write(lambda connection: connection.execute(insert(DIRTY_TASK), [row]))
    assert places(await exported(env, q=CUSTOMER)) == found[:1]
    row = {"account": "main", "name": "later", "since": T0 + 50, "failures": 0}
    await env.store.write(lambda connection: connection.execute(insert(DIRTY_TASK), [row]))
    # As in the list, the word is a number, although its tasks are left out.
    assert places(await exported(env, q=CUSTOMER)) == []


async def test_numbers_need_their_scope_and_are_recorded_masked(env: ApiEnv, clock: SteppedClock) -> None:
    await fill(env, clock)
    refused = ({"phone": CUSTOMER}, {"q": CUSTOMER}, {"q": "89161234567"}, {"text": CUSTOMER})
    for params in refused:
        answer = await env.ask("/v1/export/tasks", "read", params=params)
        assert (answer.status_code, "'numbers'" in answer.text) == (403, True)
        assert "9161234567" not in answer.text
    answer = await env.ask("/v1/export/tasks", "read", params={"q": "6", "format": "jsonl"})
    assert [row["b_number"] for row in read_jsonl(answer.content)] == [MASKED]
    assert (await env.get("/v1/audit", "audit"))["records"] == []
    assert not env.context.exports.locked()
    assert {row["a_number"] for row in await exported(env, q="both")} == {CUSTOMER}
    await exported(env, "tasks", phone=CUSTOMER)
    await exported(env, "attempts", q="4567")
    records = (await env.get("/v1/audit", "audit"))["records"]
    assert [(row["action"], row["object"], row["detail"]) for row in records] == [
        ("numbers.find", "…4567", {"export": "attempts", "in_full": True}),
        ("numbers.find", MASKED, {"export": "tasks", "in_full": True}),
    ]


@pytest.mark.parametrize("relation", sorted(set(RELATIONS) - {"tasks", "attempts"}))
async def test_other_relations_take_no_filters_of_tasks(env: ApiEnv, relation: str) -> None:
    error = await env.refused(f"/v1/export/{relation}", 400, state="finished", account="main")
    assert error["field"] == "state"
    assert "`tasks` and `attempts`" in error["message"]
    assert (await env.ask(f"/v1/export/{relation}", params={"account": "main"})).status_code == 200


async def test_a_filter_that_cannot_be_used_is_named_as_in_the_list(
    env: ApiEnv, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(env, clock)
    monkeypatch.setattr(task_sources, "MOST_ENDINGS", 1)
    for params in ({"phone": "4567"}, {"q": "4567"}, {"q": "x", "text": "y"}, {"queue_id": "99"}):
        answers = [
            await env.ask(path, "read", "numbers", params=params)
            for path in ("/v1/tasks", "/v1/export/tasks")
        ]
        assert [answer.status_code for answer in answers] == [400, 400]
        assert answers[0].json() == answers[1].json()
