"""Durations that are measured once per task, and the counts that a scrape shows of the tables."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from receiver.domain.facts import Fact
from receiver.maintenance.table_gauges import SnapshotWorker
from receiver.runtime.clock import WallClock
from receiver.storage.tables import METADATA
from tests.factories import QUEUE, START, called, finished, hook, seen, settled
from tests.ledger.ledger_env import LedgerEnv, open_ledger_env

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ledger_env(tmp_path: Path) -> AsyncIterator[LedgerEnv]:
    async with open_ledger_env(tmp_path / "receiver.db") as ledger_env:
        yield ledger_env


async def record(ledger_env: LedgerEnv, *facts: Fact) -> None:
    for fact in facts:
        await ledger_env.ledger.record([fact])


def connected(ledger_env: LedgerEnv) -> tuple[float, float]:
    name = "task_time_to_connect_seconds"
    return ledger_env.sample(f"{name}_count", queue=QUEUE), ledger_env.sample(f"{name}_sum", queue=QUEUE)


async def test_how_long_a_known_end_waited_for_the_api_is_measured_once(ledger_env: LedgerEnv) -> None:
    await record(ledger_env, hook("after", START + 100), finished("success", START + 107))
    await record(ledger_env, finished("success", START + 300, cdr="late"), settled(START + 900))
    lag = "pipeline_lag_seconds"
    assert ledger_env.sample(f"{lag}_count", stage="reconciled") == 1
    assert ledger_env.sample(f"{lag}_sum", stage="reconciled") == 7


async def test_an_end_that_no_hook_told_of_waited_for_nothing(ledger_env: LedgerEnv) -> None:
    await record(ledger_env, finished("success", START + 100), hook("after", START + 101))
    assert ledger_env.sample("pipeline_lag_seconds_count", stage="reconciled") == 0


@pytest.mark.parametrize(
    ("plan", "bridged_at", "took"),
    [({}, START + 42, 42), ({"start_at": None, "created_at": START - 8}, START + 42, 50), ({}, START - 5, 0)],
)
async def test_the_time_to_connect_runs_from_the_planned_start_to_the_bridge(
    ledger_env: LedgerEnv, plan: dict[str, float | None], bridged_at: float, took: float
) -> None:
    end = finished("success", START + 90, cdr="u-1", **plan)
    await record(ledger_env, end, called("u-1", START + 91, bridged_at=bridged_at))
    assert connected(ledger_env) == (0, 0)
    await record(ledger_env, settled(START + 400), hook("after", START + 500))
    assert connected(ledger_env) == (1, took)


async def test_a_task_that_never_connected_has_no_time_to_connect(ledger_env: LedgerEnv) -> None:
    await record(
        ledger_env, finished("failed", START + 90, cdr="u-1"), called("u-1", START + 91), settled(START + 400)
    )
    assert connected(ledger_env) == (0, 0)


async def test_a_snapshot_counts_tasks_findings_and_what_waits(ledger_env: LedgerEnv) -> None:
    worker = SnapshotWorker(ledger_env.store, WallClock(), ledger_env.metrics)
    await record(ledger_env, seen("executed", START), hook("before", START, about=("r2", None)))
    await record(
        ledger_env, finished("success", START, about=("r3", "9")), settled(START + 9, about=("r3", "9"))
    )
    await worker.refresh()
    assert ledger_env.sample("tasks", queue=QUEUE, state="executed") == 1
    assert ledger_env.sample("tasks", queue="unknown", state="executed") == 1
    assert ledger_env.sample("tasks", queue=QUEUE, state="finished") == 1
    assert ledger_env.sample("findings", category="lost_hook", kind="after") == 1
    assert ledger_env.sample("pipeline_backlog", stage="progress") == 1
    assert ledger_env.sample("pipeline_backlog", stage="find") == 1
    oldest = ledger_env.sample("pipeline_oldest_pending_age_seconds", stage="progress")
    assert 0 < oldest == ledger_env.sample("reconcile_oldest_due_age_seconds")


async def test_a_snapshot_that_fails_is_counted_and_the_last_one_stays(ledger_env: LedgerEnv) -> None:
    worker = SnapshotWorker(ledger_env.store, WallClock(), ledger_env.metrics)
    await record(ledger_env, seen("executed", START))
    await worker.refresh()
    taken = ledger_env.sample("snapshot_last_success_timestamp_seconds")

    def drop(connection: Connection) -> None:
        METADATA.drop_all(connection)

    await ledger_env.store.write(drop)
    await worker.refresh()
    assert ledger_env.sample("snapshot_failures_total") == 1
    assert ledger_env.sample("snapshot_last_success_timestamp_seconds") == taken > 0
    assert ledger_env.sample("tasks", queue=QUEUE, state="executed") == 1
