"""Disagreements between hooks and API: each kind is found, recorded with the task and counted once."""

from pathlib import Path
from typing import Any

import pytest

from receiver.domain.timeline import DRIFT_KINDS
from tests.reconcile.reconcile_env import POLICY, ReconcileEnv, minted, reconcile_env
from tests.reconcile.scripted import Scripted
from tests.simulation.loop import run

FAILED = {"status": "finished", "finish_result": "failed", "try_count": 1, "try_again_pause": "30"}
Hooks = list[tuple[str, dict[str, Any]]]

STORIES: dict[str, tuple[Hooks, dict[str, Any] | None]] = {
    "result": ([("before", {}), ("after", {"finish_result": "success"})], FAILED),
    "cdr": ([("before", {}), ("after", {"cdr": "aaaa"})], FAILED | {"cdr": "bbbb"}),
    "attempts": ([("before", {}), ("before_again", {"cdr": "aaaa"}), ("after", {})], FAILED),
    "gone": ([("before", {})], None),
    "silent": ([], FAILED),
}


async def tell(it: ReconcileEnv, scheduler: Scripted, kind: str) -> None:
    hooks, end = STORIES[kind]
    await it.tasks.once()
    for event, fields in hooks:
        await it.hook(event, **fields)
    if end is None:
        del scheduler.queues["5"]["1"]
    else:
        scheduler.queues["5"]["1"] |= end
    await it.work(1200 + POLICY.margins["settle"])


def test_there_is_a_story_for_each_kind() -> None:
    assert STORIES.keys() == set(DRIFT_KINDS)


@pytest.mark.parametrize("kind", STORIES)
def test_drift_is_found_and_counted_once(tmp_path: Path, kind: str) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", {"id": "1", "start_time_utc": "2026-03-02 12:00:00", **minted("r1")})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await tell(it, scheduler, kind)
            assert it.task()["settled"]
            assert it.findings("drift") == {kind: 1}
            counted = it.metrics.registry.get_sample_value("callback_drift_total", {"kind": kind})
            assert counted == 1

    run(story())


def test_where_hooks_and_api_agree_there_is_no_drift(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        scheduler.add("5", {"id": "1", **minted("r1")})
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.tasks.once()
            await it.hook("before")
            await it.hook("after", finish_result="failed", cdr="AA-AA")
            scheduler.queues["5"]["1"] |= FAILED | {"cdr": "aaaa"}
            await it.work(1500)
            assert it.task()["settled"]
            assert (it.findings("drift"), it.findings("lost_hook")) == ({}, {})

    run(story())
