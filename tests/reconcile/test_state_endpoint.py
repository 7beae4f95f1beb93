"""`GET /v1/reconciliation`: passes, quota and sweeps, as the workers left them in the store."""

import pytest
from sqlalchemy import Connection

from receiver.reconcile import due_sql
from tests.http.api_env import ApiEnv, Json

pytestmark = pytest.mark.anyio

QUOTA = {"quota_limit": 1000, "quota_remaining": 7, "quota_reset_at": None}


async def put_pass(api_env: ApiEnv, account: str, part: str, **changed: object) -> None:
    row: Json = {"account": account, "part": part, "at": 1.0, "problems": {}, **QUOTA}
    row |= {"failing_since": None, "blocked_until": None, **changed}
    await api_env.store.write(lambda connection: due_sql.put_pass(connection, row))


async def put_sweeps(api_env: ApiEnv, *rows: tuple[str, float, float | None, int, str | None]) -> None:
    names = ("queue_id", "started_at", "completed_at", "next_page", "error")

    def put(connection: Connection) -> None:
        for row in rows:
            values = dict(zip(names, row, strict=True))
            due_sql.put_sweep(connection, {"account": "main", "tasks": 3, **values})

    await api_env.store.write(put)


async def test_before_the_first_pass_it_is_empty(api_env: ApiEnv) -> None:
    assert await api_env.get("/v1/reconciliation") == {"passes": [], "sweeps": []}


async def test_a_pass_says_what_failed_and_until_when_no_request_is_sent(api_env: ApiEnv) -> None:
    now = api_env.context.clock.now()
    problems = {"17": "timed out", "quota": "used up"}
    await put_pass(api_env, "main", "tasks", problems=problems, blocked_until=now + 90, failing_since=now - 9)
    await put_pass(api_env, "main", "calls", blocked_until=now - 1)
    tasks, calls = (await api_env.get("/v1/reconciliation"))["passes"]
    assert (tasks["part"], calls["part"]) == ("tasks", "calls")
    assert tasks["problems"] == [
        {"where": "17", "problem": "timed out"},
        {"where": "quota", "problem": "used up"},
    ]
    assert tasks["blocked_until"] is not None
    assert (tasks["quota_limit"], tasks["quota_remaining"]) == (1000, 7)
    assert (calls["problems"], calls["blocked_until"]) == ([], None)  # that moment has passed


async def test_sweeps_with_a_problem_come_first_then_the_longest_ago(api_env: ApiEnv) -> None:
    await api_env.queue("17", name="call-backs")
    await put_sweeps(
        api_env,
        ("17", 100.0, 102.5, 1, None),
        ("18", 50.0, 51.0, 1, None),
        ("19", 200.0, 90.0, 3, "timed out"),
        ("20", 200.0, None, 1, None),
    )
    sweeps = (await api_env.get("/v1/reconciliation"))["sweeps"]
    assert [(row["queue_id"], row["took_s"], row["problem"]) for row in sweeps] == [
        ("19", None, "timed out"),
        ("20", None, None),
        ("18", 1.0, None),
        ("17", 2.5, None),
    ]
    assert sweeps[-1]["queue_name"] == "call-backs"
    assert sweeps[0]["queue_name"] is None


async def test_only_one_account(api_env: ApiEnv) -> None:
    await put_pass(api_env, "main", "tasks")
    await put_pass(api_env, "other", "tasks")
    passes = (await api_env.get("/v1/reconciliation", account="main"))["passes"]
    assert [row["account"] for row in passes] == ["main"]
