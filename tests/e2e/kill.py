"""`python -m tests.e2e.kill`: kill −9 the receiver in the middle, twice, and see that nothing is missing."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from receiver.demo.compare import Comparison, compare
from receiver.demo.plan import plan_tasks
from receiver.store.engine import Store
from receiver.store.tables import DELIVERY, TASK
from tests.e2e.processes import CommandError, Town

PATIENCE_S = 180.0


@dataclass(frozen=True)
class Outcome:
    """What came of it. `missing`: hook copies that were acknowledged and are not in the ledger."""

    comparison: Comparison
    tasks: int
    acknowledged: int
    unacknowledged: int
    missing: tuple[str, ...]


def run(town: Town, tasks: int, kills: int) -> Outcome:
    """Create the tasks, kill the receiver `kills` times while they run, wait for the end, compare."""
    town.start_emulator()
    town.start_receiver()
    queue = _queue(town)
    file = town.folder / "tasks.json"
    planned = [
        {"ref": each.ref, **each.task.model_dump(exclude_none=True)} for each in plan_tasks(tasks, town.seed)
    ]
    file.write_text(json.dumps(planned))
    added = town.run("tasks", "add", str(file), "--account", "main", "--queue", queue)
    assert len(added["tasks"]) == tasks, added
    for number in range(1, kills + 1):
        _wait_for_hooks(town, tasks * number // 2)
        town.kill_receiver()
        time.sleep(0.3)
        town.start_receiver()
    _wait_for_the_end(town, tasks)
    truth, acknowledged = town.ask_emulator("truth"), set(town.ask_emulator("deliveries"))
    town.stop()
    rows, stored = _kept(town.folder / "receiver.db")
    unacknowledged = sum(1 for hook in truth["hooks"] if hook["fate"] == "failed")
    verdict = compare(truth, rows, {"10001": "main"})
    return Outcome(
        verdict, len(rows), len(acknowledged), unacknowledged, tuple(sorted(acknowledged - stored))
    )


def _queue(town: Town) -> str:
    """A queue's id; the API fails now and then, and a queue too many does no harm."""
    for _ in range(10):
        try:
            return str(town.run("queues", "create", "kill", "--account", "main", "--limit", "80")["queue_id"])
        except CommandError:
            continue
    raise TimeoutError("no queue could be created")


def _wait_for_hooks(town: Town, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while len(town.ask_emulator("deliveries")) < count and time.monotonic() < deadline:
        time.sleep(0.2)


def _wait_for_the_end(town: Town, tasks: int) -> None:
    store = Store(town.folder / "receiver.db")
    settled = select(func.count()).where(TASK.c.settled)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with store.snapshot() as connection:
            done = connection.execute(settled).scalar_one()
        if done == tasks and town.ask_emulator("status")["idle"]:
            break
        time.sleep(0.5)
    store.close()


def _kept(path: Path) -> tuple[dict[tuple[str, str], Mapping[str, Any]], set[str]]:
    """The tasks as the receiver knows them, and the ids of the hook copies it kept."""
    store = Store(path)
    with store.snapshot() as connection:
        known = connection.execute(select(TASK)).mappings()
        rows: dict[tuple[str, str], Mapping[str, Any]] = {
            (row["account"], row["task_id"]): {str(name): value for name, value in row.items()}
            for row in known
        }
        headers = [dict(headers) for headers in connection.execute(select(DELIVERY.c.headers)).scalars()]
    store.close()
    return rows, {each["x-emulator-hook"] for each in headers}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=300)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        town = Town(Path(folder), seed=options.seed)
        try:
            outcome = run(town, options.tasks, options.kills)
        finally:
            town.stop()
    result = {
        "tasks": outcome.tasks,
        "killed": options.kills,
        "hooks acknowledged": outcome.acknowledged,
        "hooks not acknowledged": outcome.unacknowledged,
        "acknowledged and missing": len(outcome.missing),
        "agree": outcome.comparison.agree,
        "disagree": outcome.comparison.disagree,
        "disagreements": [str(each) for each in outcome.comparison.disagreements[:10]],
    }
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return 1 if outcome.missing or outcome.comparison.disagree else 0


if __name__ == "__main__":
    sys.exit(main())
