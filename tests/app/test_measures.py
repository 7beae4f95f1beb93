"""Durations that are measured once per task, and the counts that a scrape shows of the tables."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from receiver.clock import WallClock
from receiver.domain.facts import Fact
from receiver.snapshot import SnapshotWorker
from receiver.store.tables import METADATA
from tests.factories import QUEUE, START, called, finished, hook, seen, settled
from tests.ledger.house import House, open_house

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path / "receiver.db") as house:
        yield house


async def record(house: House, *facts: Fact) -> None:
    for fact in facts:
        await house.ledger.record([fact])


def connected(house: House) -> tuple[float, float]:
    name = "task_time_to_connect_seconds"
    return house.sample(f"{name}_count", queue=QUEUE), house.sample(f"{name}_sum", queue=QUEUE)


async def test_how_long_a_known_end_waited_for_the_api_is_measured_once(house: House) -> None:
    await record(house, hook("after", START + 100), finished("success", START + 107))
    await record(house, finished("success", START + 300, cdr="late"), settled(START + 900))
    lag = "pipeline_lag_seconds"
    assert house.sample(f"{lag}_count", stage="reconciled") == 1
    assert house.sample(f"{lag}_sum", stage="reconciled") == 7


async def test_an_end_that_no_hook_told_of_waited_for_nothing(house: House) -> None:
    await record(house, finished("success", START + 100), hook("after", START + 101))
    assert house.sample("pipeline_lag_seconds_count", stage="reconciled") == 0


@pytest.mark.parametrize(
    ("plan", "bridged_at", "took"),
    [({}, START + 42, 42), ({"start_at": None, "created_at": START - 8}, START + 42, 50), ({}, START - 5, 0)],
)
async def test_the_time_to_connect_runs_from_the_planned_start_to_the_bridge(
    house: House, plan: dict[str, float | None], bridged_at: float, took: float
) -> None:
    end = finished("success", START + 90, cdr="u-1", **plan)
    await record(house, end, called("u-1", START + 91, bridged_at=bridged_at))
    assert connected(house) == (0, 0)
    await record(house, settled(START + 400), hook("after", START + 500))
    assert connected(house) == (1, took)


async def test_a_task_that_never_connected_has_no_time_to_connect(house: House) -> None:
    await record(
        house, finished("failed", START + 90, cdr="u-1"), called("u-1", START + 91), settled(START + 400)
    )
    assert connected(house) == (0, 0)


async def test_a_snapshot_counts_tasks_findings_and_what_waits(house: House) -> None:
    worker = SnapshotWorker(house.store, WallClock(), house.metrics)
    await record(house, seen("executed", START), hook("before", START, about=("r2", None)))
    await record(house, finished("success", START, about=("r3", "9")), settled(START + 9, about=("r3", "9")))
    await worker.refresh()
    assert house.sample("tasks", queue=QUEUE, state="executed") == 1
    assert house.sample("tasks", queue="unknown", state="executed") == 1
    assert house.sample("tasks", queue=QUEUE, state="finished") == 1
    assert house.sample("findings", category="lost_hook", kind="after") == 1
    assert house.sample("pipeline_backlog", stage="progress") == 1
    assert house.sample("pipeline_backlog", stage="find") == 1
    oldest = house.sample("pipeline_oldest_pending_age_seconds", stage="progress")
    assert 0 < oldest == house.sample("reconcile_oldest_due_age_seconds")


async def test_a_snapshot_that_fails_is_counted_and_the_last_one_stays(house: House) -> None:
    worker = SnapshotWorker(house.store, WallClock(), house.metrics)
    await record(house, seen("executed", START))
    await worker.refresh()
    taken = house.sample("snapshot_last_success_timestamp_seconds")

    def drop(connection: Connection) -> None:
        METADATA.drop_all(connection)

    await house.store.write(drop)
    await worker.refresh()
    assert house.sample("snapshot_failures_total") == 1
    assert house.sample("snapshot_last_success_timestamp_seconds") == taken > 0
    assert house.sample("tasks", queue=QUEUE, state="executed") == 1
