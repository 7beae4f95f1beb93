"""Which of our refs a scheduler's task belongs to: told by the URLs that its record echoes."""

from pathlib import Path

import pytest

from receiver.domain.hooks import HookKey, HookSigner
from receiver.tasks.tables import TASK
from tests.reconcile.reconcile_env import emulated, minted, reconcile_env
from tests.reconcile.scripted import Scripted
from tests.simulation.loop import run

STRANGER = HookSigner((HookKey("one", "some-other-secret-of-32-characters"),))


def test_a_task_is_linked_by_the_urls_that_a_list_echoes(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", {"id": "1", **minted("r1")})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.hook("before")
            assert it.task()["task_id"] is None
            await it.tasks.once()
            assert it.task()["task_id"] == "1"
            assert it.task()["arrived"]["before"] == 1

    run(story())


def test_a_task_whose_urls_no_list_shows_is_linked_by_its_own_record(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(lists_are_mute=True)
        others = [{"id": str(n), **minted(f"other-{n}")} for n in range(2, 7)]
        scheduler.add("5", *others, {"id": "1", **minted("r1")})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.hook("before")
            await it.tasks.once(everything=True)
            assert it.task()["task_id"] == "1"
            assert it.task()["arrived"]["before"] == 1
            assert "#1" not in {row["key"] for row in it.rows(TASK)}
            scheduler.asked.clear()
            await it.hook("before", ref="r9")
            await it.tasks.once(everything=True)
            assert scheduler.count()["list"] > 0
            assert ("task", "5/2", "") not in scheduler.asked  # none of those that are linked

    run(story())


def test_where_no_record_shows_urls_only_some_are_asked_for(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(is_mute=True)
        scheduler.add("5", *({"id": str(n)} for n in range(40)))
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.hook("before")
            await it.tasks.once(everything=True)
            await it.tasks.once(everything=True)
            assert 0 < scheduler.count()["task"] <= 20

    run(story())


def test_while_nothing_is_looked_for_nobody_asks_whose_a_task_is(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(lists_are_mute=True)
        scheduler.add("5", {"id": "1", **minted("r1")})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            assert scheduler.count()["task"] == 0

    run(story())


def test_one_url_of_the_four_is_enough(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", {"id": "1", "url_success": minted("r1")["url_success"], "url_before": ""})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            assert it.task()["task_id"] == "1"

    run(story())


@pytest.mark.parametrize(
    "urls",
    [
        {"url_before": "https://crm.example/before", "url_after": "https://crm.example/after?x=/hooks/"},
        minted("r1", signer=STRANGER),
        minted("r1", account="south"),
        {"url_before": minted("r1")["url_after"], "url_after": minted("r1")["url_before"]},
        {name: url.replace("/r1/", "/r2/") for name, url in minted("r1").items()},
    ],
    ids=["foreign", "forged token", "another account", "events exchanged", "token of another ref"],
)
def test_urls_that_are_not_ours_link_nothing_and_promise_no_hooks(
    tmp_path: Path, urls: dict[str, str]
) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", {"id": "1", "status": "finished", "finish_result": "success", **urls})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            await it.pass_after(300)
            row = it.task("#1")
            assert row["settled"]
            assert not any(row["expected"].values())
            assert row["lost"] == {}

    run(story())


def test_a_host_that_was_moved_or_a_prefix_makes_no_difference(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        moved = {name: url.replace("receiver.test", "other.test/in") for name, url in minted("r1").items()}
        scheduler.add("5", {"id": "1", **moved})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            assert it.task()["task_id"] == "1"

    run(story())


def test_two_tasks_of_one_ref_are_told_apart_and_reported(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", {"id": "1", **minted("r1")}, {"id": "2", **minted("r1")})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            assert it.task()["task_id"] == "1"
            assert it.findings("anomaly") == {"shared_ref": 1}

    run(story())


def test_two_accounts_do_not_mix(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path, answer_rate=1.0) as it:
            queues = {name: await it.queue(account=name) for name in it.contexts}
            for name, queue in queues.items():
                await it.create(queue, "same", account=name, start_time_utc=60)
            await it.create(queues["north"], "only", start_time_utc=60)
            await it.work(3600, *it.contexts.values())
            for name in it.contexts:
                assert it.task("same", name)["queue_id"] == queues[name]
                assert it.task("same", name)["settled"]
                assert it.task("same", name)["lost"] == {}
            ids = {it.task("same", name)["task_id"] for name in it.contexts} | {it.task("only")["task_id"]}
            assert len(ids) == 3
            assert [
                row for row in it.facts("task") if row["ref"] == "only" and row["account"] != "north"
            ] == []

    run(story())
