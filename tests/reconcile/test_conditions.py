"""Operator events of reconciliation: a refusing API and a quota, told once, also over a restart."""

from dataclasses import replace
from pathlib import Path

import orjson

from receiver.storage.operator_events import OPERATOR_EVENT
from tests.reconcile.reconcile_env import POLICY, ReconcileEnv, emulated, reconcile_env
from tests.reconcile.scripted import Scripted
from tests.reconcile.test_calls import ended
from tests.simulation.loop import run

HOUR = 3600.0


def kinds(it: ReconcileEnv) -> list[str]:
    return [row["kind"] for row in it.rows(OPERATOR_EVENT)]


def test_a_refusal_is_an_event_once_and_its_end_too(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.refuses_login = True
        scheduler.add("5", ended("1", "r1"))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.work(1800)
            it.restart()
            await it.work(1800)
            (event,) = [
                row
                for row in it.rows(OPERATOR_EVENT)
                if row["kind"] == "reconciliation.refused" and '"tasks"' in row["data"]
            ]
            assert event["subject"] == "north"
            assert "invalid_client" in orjson.loads(event["data"])["problem"]
            scheduler.refuses_login = False
            await it.work(1800)
            assert kinds(it).count("reconciliation.accepted") == kinds(it).count("reconciliation.refused")

    run(story())


def test_refused_call_history_is_an_event(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(failing={("call", ""): 403})
        scheduler.add("5", ended("1", "r1", "00000001-8b86-d011-b42d-00cf4fc964ff"))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.hook("after", "r1")
            await it.work(600)
            (event,) = it.rows(OPERATOR_EVENT)
            assert (event["kind"], orjson.loads(event["data"])["part"]) == ("reconciliation.refused", "calls")

    run(story())


def test_a_quota_that_is_low_every_hour_is_one_event(tmp_path: Path) -> None:
    async def story() -> None:
        policy = replace(POLICY, quota_share=0.3, sweep_every=10.0, poll=1.0)
        async with emulated(tmp_path, policy, quota=200) as it:
            await it.queue()
            await it.work(3 * HOUR)
            assert kinds(it) == ["quota.low"]
            it.restart()
            it.context.client.quota.block({"x-ratelimit-reset": "300"})
            await it.work(HOUR)
            assert kinds(it) == ["quota.low", "quota.exhausted"]
            fields = orjson.loads(it.rows(OPERATOR_EVENT)[0]["data"])
            assert (fields["account"], fields["limit"]) == ("north", 200)

    run(story())


def test_a_quota_that_was_sufficient_for_an_hour_is_renewed(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path) as it:
            await it.queue()
            it.context.client.quota.block({"x-ratelimit-reset": "300"})
            await it.work(1800)
            assert kinds(it) == ["quota.exhausted"]
            it.restart()
            await it.work(1800)
            assert kinds(it) == ["quota.exhausted"]
            await it.work(2 * HOUR)
            assert kinds(it) == ["quota.exhausted", "quota.renewed"]

    run(story())
