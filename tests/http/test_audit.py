"""Audit records: who did what, page by page; deleted by age."""

from dataclasses import replace
from typing import Any

import pytest

from receiver.http.audit import record_audit
from receiver.http.endpoint import Call, Caller, Params
from receiver.maintenance.retention import RetentionRules
from receiver.storage.engine import Store
from tests.http.api_env import T0, ApiEnv
from tests.maintenance.lives import DAY, NOW, prune
from tests.outcomes.delivery_env import SteppedClock

pytestmark = pytest.mark.anyio


async def record(api_env: ApiEnv, actor: str, at: float, action: Any, **detail: Any) -> None:
    call = Call(
        replace(api_env.context, clock=SteppedClock(at)), Caller(actor, frozenset()), {}, Params(), None
    )
    await api_env.store.write(lambda connection: record_audit(connection, call, action, "sub_1", detail))


async def test_a_record_says_who_did_what_and_when(api_env: ApiEnv) -> None:
    await record(api_env, "grafana", T0, "subscription.retry", messages=3)
    (found,) = (await api_env.get("/v1/audit", "audit"))["records"]
    assert found == {
        "seq": 1,
        "at": "2026-03-01T09:30:00.000Z",
        "actor": "grafana",
        "action": "subscription.retry",
        "object": "sub_1",
        "detail": {"messages": 3},
    }


async def test_phone_numbers_in_the_detail_are_masked(api_env: ApiEnv) -> None:
    await record(api_env, "crm", T0, "numbers.find", phone="+79161234567", text="call 8 916 123-45-67")
    answer = await api_env.ask("/v1/audit", "audit", "numbers")
    assert answer.json()["records"][0]["detail"] == {"phone": "+791•••67", "text": "call 891•••67"}


async def test_records_are_listed_newest_first_by_filters_and_pages(api_env: ApiEnv) -> None:
    for number, actor in enumerate(("anna", "boris", "anna", "anna")):
        await record(api_env, actor, T0 + number, f"do.{number}")
    listed = await api_env.get("/v1/audit", "audit", actor="anna", limit=2)
    assert [row["action"] for row in listed["records"]] == ["do.3", "do.2"]
    rest = await api_env.get("/v1/audit", "audit", actor="anna", cursor=listed["next_cursor"])
    assert [row["action"] for row in rest["records"]] == ["do.0"]
    some = await api_env.get("/v1/audit", "audit", since=T0 + 1, until=T0 + 3)
    assert [row["action"] for row in some["records"]] == ["do.2", "do.1"]
    assert not (await api_env.get("/v1/audit", "audit", object="sub_2"))["records"]


async def test_an_action_that_nothing_records_is_refused(api_env: ApiEnv) -> None:
    await record(api_env, "anna", T0, "older.version")
    for action, found in (("older.version", 1), ("task.create", 0)):
        assert len((await api_env.get("/v1/audit", "audit", action=action))["records"]) == found
    answer = await api_env.ask("/v1/audit", "audit", params={"action": "task.crate"})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["field"] == "action"
    assert "there is no action 'task.crate'; did you mean 'task.create'?" in error["message"]


async def test_the_records_need_a_scope_of_their_own(api_env: ApiEnv) -> None:
    answer = await api_env.ask("/v1/audit", "read", "numbers", "mint", "subscribe")
    assert answer.status_code == 403
    assert "'audit'" in answer.json()["error"]["message"]


async def test_records_are_kept_forever_or_for_the_days_of_the_settings(api_env: ApiEnv) -> None:
    store: Store = api_env.store
    for days in (9, 6, 4):
        await record(api_env, "anna", NOW - days * DAY, f"done.{days}")
    assert await prune(store, RetentionRules(tasks=DAY)) == {}
    assert await prune(store, RetentionRules(audit=5 * DAY)) == {"audit": 2}
    listed = await api_env.get("/v1/audit", "audit")
    assert [row["action"] for row in listed["records"]] == ["done.4"]
