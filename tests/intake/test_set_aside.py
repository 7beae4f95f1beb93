from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from receiver.ledger import dirty
from receiver.ledger.dirty import DirtyTask
from tests.http.api_env import A_NUMBER, T0, ApiEnv
from tests.http.faults import (
    PROBLEM,
    raw_hook,
    resting_rig_on,
    set_batch_aside,
    set_hook_aside,
    set_task_aside,
)

pytestmark = pytest.mark.anyio

HOOK = "019ca8d1e5f0a1b2c3d4e5f60718293a"
RETRY = "/v1/set-aside/retry"


@pytest.fixture
async def api_env(store_target: str) -> AsyncIterator[ApiEnv]:
    async with resting_rig_on(store_target) as api_env:
        yield api_env


async def fill(api_env: ApiEnv) -> None:
    """From oldest to newest: a hook, a task without a ref, a batch, a hook, a task with a ref."""
    await set_hook_aside(api_env.store, raw_hook("h1", T0), T0)
    await set_task_aside(api_env.store, "#90210", T0 + 1, T0, account="second")
    await set_batch_aside(api_env.store, "batch-7", T0 + 2, 3, T0)
    await set_hook_aside(api_env.store, raw_hook("h2", T0 + 3, account="second", ref=None), T0)
    await set_task_aside(api_env.store, "r1", T0 + 4, T0)


def ids(answer: dict[str, Any]) -> list[str]:
    return [each["id"] for each in answer["set_aside"]]


async def test_a_hook_that_could_not_be_read_is_listed_without_its_content(api_env: ApiEnv) -> None:
    hook = raw_hook(HOOK, T0, f"a_number={A_NUMBER}".encode())
    await set_hook_aside(api_env.store, hook, T0 + 1)
    answer = await api_env.ask("/v1/set-aside")
    assert A_NUMBER not in answer.text
    assert answer.json() == {
        "set_aside": [
            {
                "kind": "hook",
                "id": HOOK,
                "account": "main",
                "event": "after",
                "ref": "r1",
                "since": "2026-03-01T09:30:00.000Z",
                "hooks": 1,
                "failures": 1,
                "retry_at": "2026-03-01T09:31:01.000Z",
                "problem": PROBLEM,
            }
        ],
        "totals": {"hook": 1, "task": 0},
        "next_cursor": None,
    }


async def test_a_task_that_could_not_be_folded_is_listed_by_its_name(api_env: ApiEnv) -> None:
    await set_task_aside(api_env.store, "r1", T0, T0)
    await set_task_aside(api_env.store, "#90210", T0 - 1, T0)
    answer = await api_env.get("/v1/set-aside")
    assert answer["set_aside"][0] == {
        "kind": "task",
        "id": "r1",
        "account": "main",
        "event": None,
        "ref": "r1",
        "since": "2026-03-01T09:30:00.000Z",
        "hooks": None,
        "failures": 1,
        "retry_at": "2026-03-01T09:31:00.000Z",
        "problem": PROBLEM,
    }
    assert [(each["id"], each["ref"]) for each in answer["set_aside"]] == [("r1", "r1"), ("#90210", None)]


async def test_a_batch_that_cannot_be_decoded_is_listed_with_the_number_of_its_hooks(api_env: ApiEnv) -> None:
    await set_batch_aside(api_env.store, "batch-7", T0, 3, T0)
    answer = await api_env.get("/v1/set-aside")
    (batch,) = answer["set_aside"]
    assert (batch["kind"], batch["id"], batch["hooks"]) == ("hook", "batch-7", 3)
    assert (batch["account"], batch["event"], batch["ref"]) == (None, None, None)
    assert answer["totals"] == {"hook": 3, "task": 0}


async def test_a_task_that_only_waits_to_be_folded_is_not_listed(api_env: ApiEnv) -> None:
    await api_env.store.write(partial(dirty.mark, tasks={DirtyTask("main", "r1"): T0}))
    assert await api_env.get("/v1/set-aside") == {
        "set_aside": [],
        "totals": {"hook": 0, "task": 0},
        "next_cursor": None,
    }


@pytest.mark.parametrize(
    ("params", "expected", "totals"),
    [
        ({}, ["r1", "h2", "batch-7", "#90210", "h1"], (5, 2)),
        ({"kind": "hook"}, ["h2", "batch-7", "h1"], (5, 0)),
        ({"kind": "task"}, ["r1", "#90210"], (0, 2)),
        ({"account": "second"}, ["h2", "#90210"], (1, 1)),
        ({"account": "second", "kind": "task"}, ["#90210"], (0, 1)),
    ],
)
async def test_every_filter_narrows_the_list_and_the_totals(
    api_env: ApiEnv, params: dict[str, str], expected: list[str], totals: tuple[int, int]
) -> None:
    await fill(api_env)
    answer = await api_env.get("/v1/set-aside", **params)
    assert ids(answer) == expected
    assert (answer["totals"]["hook"], answer["totals"]["task"]) == totals


async def test_pages_follow_each_other_also_among_rows_of_the_same_moment(api_env: ApiEnv) -> None:
    for number in range(3):
        await set_hook_aside(api_env.store, raw_hook(f"h{number}", T0), T0)
        await set_task_aside(api_env.store, f"r{number}", T0, T0)
        await set_batch_aside(api_env.store, f"batch-{number}", T0, 2, T0)
    await set_task_aside(api_env.store, "r0", T0, T0, account="second")
    seen: list[tuple[str, str]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await api_env.get("/v1/set-aside", limit=3, **cursor)
        assert answer["totals"] == {"hook": 9, "task": 4}
        seen += [(each["account"], each["id"]) for each in answer["set_aside"]]
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
    whole = await api_env.get("/v1/set-aside")
    assert seen == [(each["account"], each["id"]) for each in whole["set_aside"]]
    assert len(set(seen)) == len(seen) == 10


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"kind": "queue"}, "kind"),
        ({"cursor": "abc"}, "cursor"),
        ({"queue_id": "17"}, "queue_id"),
        ({"account": "third"}, "account"),
    ],
)
async def test_a_parameter_that_cannot_be_used_is_named(
    api_env: ApiEnv, params: dict[str, str], field: str
) -> None:
    assert (await api_env.refused("/v1/set-aside", 400, **params))["field"] == field


@pytest.mark.parametrize("at_once", [1, 2, 3, 500])
async def test_a_retry_makes_everything_due_now_and_says_how_many(
    api_env: ApiEnv, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr("receiver.inbox.set_aside_sql.AT_ONCE", at_once)
    await fill(api_env)
    for _ in range(2):
        answer = await api_env.ask(RETRY, "subscribe", method="POST")
        assert (answer.status_code, answer.json()) == (200, {"hooks": 5, "tasks": 2})
    listed = (await api_env.get("/v1/set-aside"))["set_aside"]
    assert [each["retry_at"] for each in listed] == [None] * 5
    assert [each["failures"] for each in listed] == [1] * 5


async def test_a_retry_needs_the_scope_for_replays(api_env: ApiEnv) -> None:
    await fill(api_env)
    refused = await api_env.ask(RETRY, "read", "numbers", "mint", method="POST")
    assert refused.status_code == 403
    assert "'subscribe'" in refused.json()["error"]["message"]
    assert None not in [each["retry_at"] for each in (await api_env.get("/v1/set-aside"))["set_aside"]]
