"""Deliveries are read again over /v1."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from receiver.domain.facts import TaskSettled
from receiver.domain.fields import DEFAULT_ALIASES, FieldReader
from receiver.ledger.tables import DELIVERY, FACT
from tests.http.api_env import T0, ApiEnv, Json, finished, open_api_env

pytestmark = pytest.mark.anyio

RIGHT = FieldReader(DEFAULT_ALIASES | {"task_id": ("Nummer",)})


@pytest.fixture
async def api_env(store_target: str) -> AsyncIterator[ApiEnv]:
    async with open_api_env(store_target, fields=RIGHT) as api_env:
        yield api_env


async def post(api_env: ApiEnv, scope: str = "subscribe", **body: Any) -> httpx2.Response:
    return await api_env.ask("/v1/reread", scope, method="POST", json=body)


async def reread(api_env: ApiEnv, **body: Any) -> Json:
    """The answer; then all is folded."""
    response = await post(api_env, **body)
    assert response.status_code == 200, response.text
    api_env.ledger_env.folder.backlog.grow()
    await api_env.ledger_env.caught_up()
    answer: Json = response.json()
    return answer


async def test_what_named_no_task_is_placed_and_told_one_by_one(api_env: ApiEnv) -> None:
    delivery = await api_env.nameless("after", T0, b"Nummer=90210&result=failed")
    answer = await reread(api_env)
    assert answer == {
        "dry_run": False,
        "read": 1,
        "changed": 1,
        "failed": 0,
        "counts": [{"account": "main", "event": "after", "change": "placed", "deliveries": 1}],
        "changes": [
            {
                "id": delivery,
                "account": "main",
                "event": "after",
                "received_at": "2026-03-01T09:30:00.000Z",
                "change": "placed",
                "before": [],
                "after": ["#90210"],
                "fields": [],
                "problem": None,
            }
        ],
        "next_cursor": None,
    }
    assert (await api_env.get("/v1/tasks/main/90210"))["finish_result"] == "failed"
    assert (await api_env.get(f"/v1/deliveries/{delivery}", "numbers"))["problem"] is None
    assert (await reread(api_env))["changed"] == 0


async def test_the_timeline_shows_both_readings_and_which_counts(api_env: ApiEnv) -> None:
    delivery = await api_env.hook("r1", "after", T0, b"result=failed", readable=False)
    await reread(api_env)
    timeline = await api_env.get("/v1/tasks/main/r1/timeline")
    shown = [(fact["kind"], fact["delivery_id"], fact["event"], fact["flags"]) for fact in timeline["facts"]]
    assert shown == [("hook", delivery, "after", ["superseded"]), ("reread", delivery, "after", [])]
    assert timeline["facts"][1]["source"] == "hook"
    assert timeline["facts"][1]["said"]["read_at"].endswith("Z")
    assert (timeline["findings"], timeline["task"]["hooks"]["after"]["duplicates"]) == ([], 0)


async def test_a_task_that_was_a_misreading_is_shown_as_withdrawn(api_env: ApiEnv) -> None:
    await api_env.hook(None, "before", T0, b"Nummer=2", task_id="99")
    assert (await reread(api_env))["counts"][0]["change"] == "moved"
    timeline = await api_env.get("/v1/tasks/main/99/timeline")
    assert timeline["task"]["state"] == "withdrawn"
    assert [fact["kind"] for fact in timeline["facts"]] == ["hook", "withdrawn"]
    assert [task["key"] for task in (await api_env.get("/v1/tasks", state="withdrawn"))["tasks"]] == ["#99"]


async def test_a_rehearsal_names_what_would_be_said_otherwise_and_writes_nothing(api_env: ApiEnv) -> None:
    await api_env.hook("r1", "after", T0, b"result=failed")
    before = api_env.ledger_env.rows(FACT), api_env.ledger_env.rows(DELIVERY)
    answer = await reread(api_env, dry_run=True)
    (change,) = answer["changes"]
    assert (answer["dry_run"], answer["changed"], change["fields"]) == (True, 1, ["result"])
    assert (api_env.ledger_env.rows(FACT), api_env.ledger_env.rows(DELIVERY)) == before


async def test_each_request_goes_on_where_the_one_before_ended(api_env: ApiEnv) -> None:
    for number in range(1, 6):
        await api_env.nameless("before", T0, b"Nummer=%d" % number)
    placed = answers = 0
    cursor: dict[str, str] = {}
    while answers < 10:
        answer = await reread(api_env, limit=2, **cursor)
        placed, answers = placed + answer["changed"], answers + 1
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
    assert (placed, answers) == (5, 3)


async def test_only_what_was_asked_for_is_read_again(api_env: ApiEnv) -> None:
    await api_env.nameless("before", T0, b"Nummer=1")
    await api_env.nameless("before", T0 + 10, b"Nummer=2")
    await api_env.nameless("before", T0 + 10, b"Nummer=3", account="second")
    chosen = {"since": "2026-03-01T09:30:05Z", "account": "main", "problem": "any"}
    answer = await reread(api_env, **chosen)
    assert (answer["read"], answer["changes"][0]["after"]) == (1, ["#2"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"cursor": "abc"}, "cursor"),
        ({"since": "yesterday"}, "since"),
        ({"colour": "red"}, "colour"),
        ({"dry_run": "perhaps"}, "dry_run"),
    ],
)
async def test_a_field_that_cannot_be_used_is_named(api_env: ApiEnv, body: Json, field: str) -> None:
    answer = await post(api_env, **body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)


async def test_it_needs_the_scope_of_replays(api_env: ApiEnv) -> None:
    await api_env.nameless("before", T0, b"Nummer=1")
    for scope in ("read", "numbers", "mint"):
        assert (await post(api_env, scope)).status_code == 403
    assert api_env.ledger_env.rows(FACT) == []


async def test_suspected_hooks_are_listed_apart_from_lost_ones_and_counted(api_env: ApiEnv) -> None:
    await api_env.hook(None, "before", T0, task_id="7")
    await api_env.said(None, T0 + 60, finished(finish_result="failed", try_count=1), task_id="7")
    await api_env.said(None, T0 + 90, TaskSettled(("after",)), task_id="7")
    task = await api_env.get("/v1/tasks/main/7")
    assert (task["lost_hooks"], task["suspected_hooks"]) == (0, 1)
    counts = task["hooks"]["after"]
    assert (counts["expected"], counts["lost"], counts["suspected"]) == (1, 0, 1)
    assert (await api_env.get("/v1/lost-hooks"))["findings"] == []
    listed = await api_env.get("/v1/lost-hooks", suspected="true")
    (finding,) = listed["findings"]
    assert (finding["category"], finding["kind"], listed["totals"]["after"]) == ("suspected_hook", "after", 1)
    assert "receiver reread" in finding["detail"]
    assert (await api_env.get("/v1/summary"))["suspected_hooks"]["after"] == 1
