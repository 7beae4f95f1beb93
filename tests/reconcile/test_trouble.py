"""A quota, an API that is down, a question that always fails: nobody is asked more than is decent."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from receiver.errors import StoreUnavailableError
from receiver.reconcile.tables import RECONCILE_PASS
from receiver.tasks.tables import TASK
from tests.reconcile.reconcile_env import POLICY, emulated, minted, reconcile_env
from tests.reconcile.scripted import Scripted
from tests.simulation.loop import run

HOUR = 3600.0
API = ("list_queues", "list_tasks", "read_task", "call_history_read")


def test_reconciliation_spends_no_more_than_its_share_of_the_quota(tmp_path: Path) -> None:
    async def story() -> None:
        policy = replace(POLICY, quota_share=0.3, sweep_every=10.0, poll=1.0)
        async with emulated(tmp_path, policy, quota=200) as it:
            queue = await it.queue()
            await it.create(queue, *(f"r{n}" for n in range(50)))
            spent = it.requests("create_queue", "create_tasks")
            await it.work(HOUR - 60)
            assert 50 <= it.requests(*API) + spent <= 0.3 * 200 + 4
            await it.work(HOUR)
            assert 100 <= it.requests(*API) + spent <= 2 * (0.3 * 200 + 4)

    run(story())


def test_a_quota_that_is_used_up_by_others_is_waited_for(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path, replace(POLICY, quota_share=1.0), quota=30) as it:
            queue = await it.queue()
            while it.requests("read_queue") < 29:
                await it.context.client.get_queue(queue)
            await it.clock.sleep(60)
            with capture_logs() as logs:
                await it.work(HOUR - 180)
            assert len([log for log in logs if log["event"] == "reconciliation incomplete"]) <= 2
            assert it.requests(*API) <= 2
            assert it.queue_states() == {}
            await it.work(300)
            assert it.queue_states() == {queue: "on"}

    run(story())


def test_the_store_says_since_when_and_until_when_a_quota_is_used_up(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path) as it:
            await it.queue()
            await it.work(20)
            calls, tasks = it.rows(RECONCILE_PASS)
            assert (calls["part"], tasks["part"], tasks["problems"]) == ("calls", "tasks", {})
            it.context.client.quota.block({"x-ratelimit-reset": "3000"})
            until = it.context.client.quota.blocked_until
            blocked_at = it.clock.now()
            await it.work(2 * 900)
            row = it.rows(RECONCILE_PASS)[1]
            assert row["problems"] == {"quota": "the account's hourly quota is used up"}
            assert row["blocked_until"] == until
            assert blocked_at <= row["failing_since"] <= blocked_at + 900
            await it.work(2 * 900)
            row = it.rows(RECONCILE_PASS)[1]
            assert (row["problems"], row["failing_since"], row["blocked_until"]) == ({}, None, None)

    run(story())


def test_a_block_shorter_than_the_hour_is_waited_for_no_longer_than_it_lasts(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path) as it:
            await it.queue()
            assert (await it.tasks.once()).failed == {}
            blocked_at = it.clock.now()
            until = it.context.client.quota.block({"x-ratelimit-reset": "20"}).reset_at
            report = await it.tasks.once(everything=True)
            assert list(report.failed) == ["quota"]
            assert report.blocked_until == until == pytest.approx(blocked_at + 20, abs=1)

    run(story())


def test_once_the_api_is_down_no_more_single_tasks_are_asked_for(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(hides_finished=True)
        scheduler.add("5", *({"id": str(n), **minted(f"r{n}")} for n in range(100)))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            for task in scheduler.queues["5"].values():
                task |= {"status": "finished", "finish_result": "failed"}
            scheduler.failing |= {("task", f"5/{n}"): 503 for n in range(100)}
            scheduler.asked.clear()
            await it.tasks.once(everything=True)
            assert scheduler.count()["task"] <= 4 * 4

    run(story())


def test_an_api_that_is_down_is_asked_seldom_and_found_again_within_a_minute(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(is_down=True)
        for queue in range(20):
            tasks = [{"id": f"{queue}-{n}", "try_count": 1, **minted(f"r{queue}-{n}")} for n in range(20)]
            scheduler.add(str(queue), *tasks)
        async with reconcile_env(tmp_path, scheduler.app) as it:
            scheduler.is_down = False
            await it.tasks.once()
            scheduler.is_down = True
            scheduler.asked.clear()
            await it.clock.sleep(HOUR)
            await it.work(HOUR)
            assert 60 <= len(scheduler.asked) <= 600
            scheduler.is_down = False
            scheduler.asked.clear()
            await it.work(61)
            assert {name for what, name, _ in scheduler.asked if what == "list"} >= scheduler.queues.keys()

    run(story())


def test_queues_that_always_fail_keep_no_other_from_its_turn(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(failing={("list", queue): 500 for queue in ("1", "2", "3")})
        for queue in ("1", "2", "3", "4", "5"):
            scheduler.add(queue, {"id": f"9{queue}", **minted(f"r{queue}")})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            for _ in range(3):
                assert (await it.pass_after(1)).failed
            assert {row["key"] for row in it.rows(TASK)} == {"r4", "r5"}

    run(story())


def test_one_task_that_always_fails_keeps_no_other_from_its_turn(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(hides_finished=True)
        ended = [
            {"id": str(n), **minted(f"r{n}"), "create_date_utc": "2026-03-02 12:00:00"} for n in range(9)
        ]
        scheduler.add("5", *ended)
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            for n in range(9):
                scheduler.queues["5"][str(n)] |= {"status": "finished", "finish_result": "failed"}
            scheduler.failing["task", "5/0"] = 500
            await it.work(600)
            assert {it.task(f"r{n}")["confidence"] for n in range(1, 9)} == {"reconciled"}
            assert it.task("r0")["confidence"] == "events"
            scheduler.failing.clear()
            await it.work(900)
            assert it.task("r0")["confidence"] == "reconciled"

    run(story())


def test_credentials_that_are_refused_are_shown_once_a_minute(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(refuses_login=True)
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.work(HOUR)
            assert 30 <= scheduler.count()["token"] <= 61

    run(story())


def test_a_question_without_effect_for_months_is_still_no_error() -> None:
    again_at = POLICY.ask_again_at("progress", 5000, 0.0)
    assert again_at == POLICY.longest_wait - POLICY.margins["progress"]
    assert POLICY.after_trouble(5000) == POLICY.longest_trouble


def test_what_the_store_could_not_take_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", {"id": "1", **minted("r1")})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            with closing(sqlite3.connect(it.store.path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                with pytest.raises(StoreUnavailableError):
                    await it.tasks.once()
                other.execute("ROLLBACK")
            await it.tasks.once()
            assert it.task()["task_id"] == "1"

    monkeypatch.setattr("receiver.storage.sqlite.BUSY_S", 0.05)
    run(story())
