"""`GET /v1/status`: what comes in, what waits and what fails, counted on both databases."""

import pytest
from sqlalchemy import Connection

from receiver.domain.facts import TaskSettled
from receiver.outcomes import subscription_sql
from receiver.reconcile import due_sql
from receiver.storage.leases import LEASE, LeaseRenewal, renew
from tests.http.api_env import ApiEnv, finished

pytestmark = pytest.mark.anyio


async def test_an_empty_receiver_has_nothing_to_say(api_env: ApiEnv) -> None:
    status = await api_env.get("/v1/status")
    hooks = status["hooks"]
    assert (hooks["last_minute"], hooks["per_minute"], hooks["last_at"], hooks["unread"]) == (0, 0, None, 0)
    assert hooks["lost_today"] == {}
    for name in ("waits", "failing", "leases", "accounts"):
        assert status[name] == []
    assert (status["tasks"], status["drift_today"]) == ({}, {})
    assert status["today"]["success"]["n"] == 0


async def test_hooks_and_lost_hooks_are_counted_by_their_time(api_env: ApiEnv) -> None:
    now = api_env.context.clock.now()
    for number, age_s in enumerate((10, 50, 70, 3000, 4000)):
        await api_env.hook(f"r{number}", "before", now - age_s)
    hooks = (await api_env.get("/v1/status"))["hooks"]
    assert (hooks["last_minute"], hooks["per_minute"]) == (2, round(4 / 60, 1))
    await api_env.settled_without_after("lost", now - 100)
    await api_env.settled_without_after("long ago", now - 3 * 86_400)
    day = [(await api_env.get("/v1/status", zone=zone))["hooks"]["lost_today"] for zone in ZONES]
    assert {"after": 1} in day  # in one of two zones it is not just after midnight


ZONES = ("UTC", "Asia/Tokyo")


async def test_success_of_today_stands_beside_that_of_a_week_ago(api_env: ApiEnv) -> None:
    now = api_env.context.clock.now()
    week_ago = now - 7 * 86_400
    for ref, at, result in (
        *((f"now{number}", now, "success") for number in range(3)),
        ("failed", now, "failed"),
        ("week ago", week_ago, "failed"),
        ("hours later", week_ago + 7200, "success"),
        ("the day before", now - 86_400, "success"),
    ):
        await api_env.said(ref, at, finished(finish_result=result, start_at=at))
    status = await api_env.get("/v1/status", zone="UTC")
    today = status["today"]
    assert (today["success"]["k"], today["success"]["n"]) == (3, 4)
    assert (today["week_ago"]["k"], today["week_ago"]["n"]) == (0, 1)
    assert today["difference"]["value"] == 0.75
    assert not today["difference"]["is_sure"]
    assert status["tasks"] == {"finished": 7}


async def test_a_zone_whose_hours_the_rollup_has_not_counted_has_no_rate(api_env: ApiEnv) -> None:
    assert (await api_env.get("/v1/status", zone="Asia/Kathmandu"))["today"] is None


async def test_drift_and_suspected_hooks_of_today_are_counted_by_kind(api_env: ApiEnv) -> None:
    now = api_env.context.clock.now()
    for ref, at in (("today", now), ("long ago", now - 3 * 86_400)):
        await api_env.hook(ref, "success", at - 30, result="success")
        await api_env.said(ref, at, finished(finish_result="failed"), task_id=f"9{ref}")
        await api_env.said(ref, at, TaskSettled())
    assert (await api_env.get("/v1/status"))["drift_today"] == {"result": 1}


async def test_what_fails_is_named_and_what_works_is_not(api_env: ApiEnv) -> None:
    now = api_env.context.clock.now()
    names = {}
    for name in ("works", "fails", "off"):
        body = {"name": name, "url": "https://crm.example/hook"}
        answer = await api_env.ask("/v1/subscriptions", "subscribe", method="POST", json=body)
        names[name] = answer.json()["subscription"]["id"]

    def change(connection: Connection) -> None:
        failing = {"failing_since": now - 60, "problem": "answered 401"}
        subscription_sql.change(connection, names["fails"], failing)
        subscription_sql.change(connection, names["off"], {"state": "disabled", "reason": "410"})
        row = {"account": "main", "part": "tasks", "at": now, "problems": {"17": "timed out", "": "refused"}}
        quota = {"quota_limit": 1000, "quota_remaining": 7, "quota_reset_at": now + 60}
        due_sql.put_pass(connection, row | quota | {"failing_since": now - 90, "blocked_until": None})

    await api_env.store.write(change)
    await api_env.hook("r1", "before", now - 5)
    status = await api_env.get("/v1/status")
    assert status["subscriptions"] == 3
    assert {(row["name"], row["state"], row["problem"]) for row in status["failing"]} == {
        ("fails", "active", "answered 401"),
        ("off", "disabled", "410"),
    }
    (account,) = status["accounts"]
    assert (account["quota_remaining"], sorted(account["problems"])) == (7, ["17: timed out", "refused"])
    (wait,) = [wait for wait in status["waits"] if wait["stage"] == "deliver"]
    assert wait["waiting"] == 4  # two events for each of two active subscriptions


async def test_a_lease_that_has_expired_is_not_held(api_env: ApiEnv) -> None:
    now = api_env.context.clock.now()
    await api_env.store.write(
        lambda connection: renew(connection, LeaseRenewal("a", ("x", "y"), (), 60.0, now))
    )
    expired = LEASE.update().where(LEASE.c.name == "y").values(expires_at=now - 1)
    await api_env.store.write(lambda connection: connection.execute(expired) and None)
    leases = (await api_env.get("/v1/status"))["leases"]
    assert {lease["name"]: (lease["holder"], lease["is_held"]) for lease in leases} == {
        "x": ("a", True),
        "y": ("a", False),
    }
