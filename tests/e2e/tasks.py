"""Callback tasks at the emulator, from their creation by command to their end, and what was kept of them."""

import json
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from sqlalchemy import func, select

from receiver.demo.plan import PlannedTask
from receiver.storage.engine import Store
from receiver.tasks.tables import TASK
from tests.e2e.processes import CommandError, Town
from tests.e2e.unfinished import unfinished

PATIENCE_S = 180.0


def add_tasks(town: Town, planned: list[PlannedTask]) -> None:
    """Create them, all in one queue."""
    file = town.folder / "tasks.json"
    rows = [{"ref": each.ref, **each.task.model_dump(exclude_none=True)} for each in planned]
    file.write_text(json.dumps(rows))
    added = town.run("tasks", "add", str(file), "--account", "main", "--queue", _queue(town))
    assert len(added["tasks"]) == len(planned), added


def _queue(town: Town) -> str:
    """A queue's id; the API fails now and then, and a queue too many does no harm."""
    for _ in range(10):
        try:
            return str(town.run("queues", "create", "show", "--account", "main", "--limit", "80")["queue_id"])
        except CommandError:
            continue
    raise TimeoutError("no queue could be created")


def wait_for_the_end(town: Town, tasks: int) -> None:
    """Until so many tasks are settled and nothing is left to happen, or patience is at its end."""
    settled = select(func.count()).where(TASK.c.settled)
    deadline = time.monotonic() + PATIENCE_S
    with closing(Store(town.store)) as store:
        while time.monotonic() < deadline:
            is_idle = town.ask_emulator("status")["idle"]
            with store.snapshot() as connection:
                done, left = connection.execute(settled).scalar_one(), unfinished(connection)
            if is_idle and done == tasks and not left:
                break
            time.sleep(0.5)


def known_tasks(store: Store) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The tasks as the receiver knows them, by account and the scheduler's id."""
    with store.snapshot() as connection:
        rows = connection.execute(select(TASK)).mappings()
        return {
            (row["account"], row["task_id"]): {str(name): value for name, value in row.items()}
            for row in rows
        }
