"""`reconcile`: how many finished tasks a second are confirmed, with the emulator as the scheduler."""

import json
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from receiver.demo.plan import plan_tasks
from tests.bench import options
from tests.bench.bench_env import BenchEnv, BenchError
from tests.bench.figures import Figure, Goal, Spread
from tests.bench.machine import describe
from tests.bench.report import Report, say
from tests.e2e.processes import CommandError, Town

_SPEED = 120.0
_PATIENCE_S = 300.0


def reconcile(
    *,
    rounds: options.Rounds = 3,
    tasks: Annotated[int, typer.Option(min=10, help="Tasks in the queue.")] = 500,
    folder: options.Folder = None,
    as_json: options.Json = None,
) -> None:
    """Tasks that one `receiver reconcile --once` confirms per second, when all of them have ended unseen."""
    rates = []
    with options.bench_env(folder) as here:
        for number in range(1, rounds + 1):
            rates.append(_one_round(here, tasks, number))
            say(f"round {number} of {rounds}: {rates[-1]:,.0f} tasks/s")
        figures = [Figure(Goal("tasks reconciled per second"), Spread.of(rates))]
        settings = {"rounds": rounds, "tasks": tasks}
        options.conclude(Report("reconcile", settings, describe(here), figures), as_json)


def _one_round(bench_env: BenchEnv, tasks: int, number: int) -> float:
    """Create the tasks, let them end with nobody listening to their hooks, then ask. Tasks per second."""
    town = Town(bench_env.new_folder(), speed=_SPEED, seed=number, faults="none")
    town.start_emulator()
    try:
        _create(town, tasks)
        _wait_until_idle(town)
        began = time.perf_counter()
        town.run("reconcile", "--once")
        took = time.perf_counter() - began
    except (CommandError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"reconciliation: {error}") from None
    finally:
        town.stop()
    confirmed = _confirmed(town.folder / "receiver.db")
    if confirmed < tasks * 0.9:
        raise BenchError(f"only {confirmed} of {tasks} tasks were confirmed")
    return confirmed / took


def _create(town: Town, tasks: int) -> None:
    queue = town.run("queues", "create", "bench", "--account", "main", "--limit", str(tasks))
    planned = [
        {"ref": each.ref, **each.task.model_dump(exclude_none=True)} for each in plan_tasks(tasks, town.seed)
    ]
    file = town.folder / "tasks.json"
    file.write_text(json.dumps(planned))
    town.run("tasks", "add", str(file), "--account", "main", "--queue", str(queue["queue_id"]))


def _wait_until_idle(town: Town) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not town.ask_emulator("status")["idle"]:
        if time.monotonic() > deadline:
            raise BenchError("the emulator's tasks did not end")
        time.sleep(0.5)


def _confirmed(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        sql = "SELECT count(*) FROM task WHERE confidence = 'reconciled'"
        return int(connection.execute(sql).fetchone()[0])
