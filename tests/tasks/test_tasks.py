import pytest

from receiver.domain.facts import TaskGone, TaskSnapshot
from tests.http.api_env import A_NUMBER, T0, ApiEnv, finished

pytestmark = pytest.mark.anyio


async def keys(api_env: ApiEnv, **params: object) -> list[str]:
    answer = await api_env.get("/v1/tasks", **params)
    return [task["key"] for task in answer["tasks"]]


async def test_a_task_tells_all_that_is_known(api_env: ApiEnv) -> None:
    await api_env.settled_without_after("r1")
    task = await api_env.get("/v1/tasks/main/r1")
    assert task == {
        "account": "main",
        "key": "r1",
        "ref": "r1",
        "task_id": "9r1",
        "queue_id": "17",
        "queue_name": None,
        "name": "order 4711",
        "state": "finished",
        "finish_result": "success",
        "finish_comment": "connected",
        "cdr": "c-1",
        "attempts": 1,
        "attempts_exact": False,
        "attempts_most": 3,
        "try_count": 3,
        "pause": 60.0,
        "confidence": "reconciled",
        "settled": True,
        "gone": False,
        "planned_at": "2026-03-01T09:30:00.000Z",
        "first_at": "2026-03-01T09:30:00.000Z",
        "last_at": "2026-03-01T09:31:30.000Z",
        "finished_at": "2026-03-01T09:31:00.000Z",
        "a_number": "+791•••67",
        "b_number": "849•••21",
        "extension_id": None,
        "hooks": {
            "before": {"expected": 1, "arrived": 1, "duplicates": 0, "lost": 0, "suspected": 0},
            "before_again": {"expected": 0, "arrived": 0, "duplicates": 0, "lost": 0, "suspected": 0},
            "success": {"expected": 1, "arrived": 1, "duplicates": 0, "lost": 0, "suspected": 0},
            "after": {"expected": 1, "arrived": 0, "duplicates": 0, "lost": 1, "suspected": 0},
        },
        "lost_hooks": 1,
        "suspected_hooks": 0,
    }


async def test_a_task_is_found_by_ref_and_by_the_vendors_id(api_env: ApiEnv) -> None:
    await api_env.said("r1", T0, finished(), task_id="90210")
    await api_env.said(None, T0, finished(), task_id="555")
    assert (await api_env.get("/v1/tasks/main/90210"))["key"] == "r1"
    assert (await api_env.get("/v1/tasks/main/555"))["key"] == "#555"
    assert (await api_env.get("/v1/tasks/main/%23555"))["key"] == "#555"


async def test_a_ref_wins_over_the_same_word_as_a_vendors_id(api_env: ApiEnv) -> None:
    await api_env.said("other", T0, finished(), task_id="77")
    assert (await api_env.get("/v1/tasks/main/77"))["key"] == "other"
    await api_env.hook("77", "before", T0)
    assert (await api_env.get("/v1/tasks/main/77"))["key"] == "77"


async def test_a_task_of_another_account_is_not_found(api_env: ApiEnv) -> None:
    await api_env.hook("r1", "before", T0)
    error = await api_env.refused("/v1/tasks/second/r1", 404)
    assert error["code"] == "not_found"
    assert "/v1/tasks" in error["message"]


async def test_as_of_shows_a_task_as_it_was_known_then(api_env: ApiEnv) -> None:
    await api_env.settled_without_after("r1")
    at_start = await api_env.get("/v1/tasks/main/r1", as_of="2026-03-01T09:30:10Z")
    assert (at_start["state"], at_start["finish_result"], at_start["a_number"]) == ("executed", None, None)
    connected = await api_env.get("/v1/tasks/main/r1", as_of=T0 + 30)
    assert (connected["state"], connected["lost_hooks"]) == ("connected", 0)
    assert (await api_env.get("/v1/tasks/main/r1", as_of=T0 + 90))["lost_hooks"] == 1
    error = await api_env.refused("/v1/tasks/main/r1", 404, as_of=T0 - 1)
    assert "as_of" in error["message"]


async def test_numbers_are_whole_only_for_who_may_see_them(api_env: ApiEnv) -> None:
    await api_env.said("r1", T0, finished(finish_comment=f"{A_NUMBER} hung up", name="8 (916) 123-45-67"))
    masked = await api_env.ask("/v1/tasks")
    assert "1234567" not in masked.text
    assert "123-45-67" not in masked.text
    task = (await api_env.get("/v1/tasks", "read", "numbers"))["tasks"][0]
    assert (task["a_number"], task["finish_comment"]) == (A_NUMBER, f"{A_NUMBER} hung up")


async def test_every_filter_keeps_what_it_names(api_env: ApiEnv) -> None:
    await api_env.settled_without_after("lossy", T0)
    await api_env.said("failed", T0 + 100, finished(finish_result="failed", queue_id="18"), task_id="555")
    await api_env.hook("begun", "before", T0 + 200, account="second")
    await api_env.said("vanished", T0 + 300, TaskGone())
    cases: list[tuple[dict[str, object], list[str]]] = [
        ({}, ["vanished", "begun", "failed", "lossy"]),
        ({"account": "second"}, ["begun"]),
        ({"queue_id": "18"}, ["failed"]),
        ({"state": "finished"}, ["failed", "lossy"]),
        ({"finish_result": "failed"}, ["failed"]),
        ({"finish_result": "unknown"}, ["vanished"]),
        ({"confidence": "events"}, ["begun"]),
        ({"settled": "true"}, ["lossy"]),
        ({"settled": "false", "account": "main"}, ["vanished", "failed"]),
        ({"ref": "failed"}, ["failed"]),
        ({"task_id": "555"}, ["failed"]),
        ({"lost": "true"}, ["lossy"]),
        ({"lost": "false"}, ["vanished", "begun", "failed"]),
        ({"since": T0 + 100}, ["vanished", "begun", "failed"]),
        ({"until": T0 + 100}, ["lossy"]),
        ({"since": "2026-03-01T12:30:01+03:00", "until": "2026-03-01T09:35:00"}, ["begun", "failed"]),
    ]
    for params, expected in cases:
        assert await keys(api_env, **params) == expected, params


async def test_an_unescaped_plus_in_a_zone_is_understood(api_env: ApiEnv) -> None:
    await api_env.hook("r1", "before", T0)
    found = await api_env.ask("/v1/tasks?since=2026-03-01T12:30:00+03:00")
    assert len(found.json()["tasks"]) == 1
    assert (await api_env.ask("/v1/tasks?since=2026-03-01T12:30:01+03:00")).json()["tasks"] == []


async def test_a_walk_neither_skips_nor_repeats_while_tasks_are_added(api_env: ApiEnv) -> None:
    """Many share one moment, so that the order has to tell them apart by name."""
    for number in range(7):
        await api_env.said(f"r{number}", T0 + number // 3, TaskSnapshot("scheduled"))
    walked: list[str] = []
    cursor: dict[str, str] = {}
    for turn in range(10):
        answer = await api_env.get("/v1/tasks", limit=2, **cursor)
        walked += [task["key"] for task in answer["tasks"]]
        await api_env.said(f"new{turn}", T0 + 50 + turn, TaskSnapshot("scheduled"))
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
    assert walked == ["r6", "r5", "r4", "r3", "r2", "r1", "r0"]


async def test_a_full_last_page_has_no_next_one(api_env: ApiEnv) -> None:
    await api_env.hook("r1", "before", T0)
    await api_env.hook("r2", "before", T0)
    assert (await api_env.get("/v1/tasks", limit=2))["next_cursor"] is None
    assert (await api_env.get("/v1/tasks", limit=1))["next_cursor"] is not None
