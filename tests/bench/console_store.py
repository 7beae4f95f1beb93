"""A store for the console: a year of tasks with sums, and as many tasks with hooks, facts and messages."""

import asyncio
import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Column, Float

from receiver.domain.calendar import Calendar
from tests.bench import finding, story, year, year_stores
from tests.bench.bench_env import BenchEnv
from tests.bench.report import say
from tests.http.api_env import open_api_env
from tests.outcomes.delivery_env import SteppedClock

NOW = Calendar(year.ZONE).starts(year.LAST) + 21 * 3600.0
"""The end of the last day in the store."""

_EVERY_S = 20
"""Seconds between two tasks with facts, the newest first."""

_CUSTOMERS = 3
"""Tasks with facts of one customer."""


def filled(bench_env: BenchEnv, folder: Path, database: str, tasks: int) -> str:
    """Return a new store. `folder`: where a year of tasks is kept, or made if it is not there yet."""
    target = _copied(bench_env, folder, database, tasks)
    began = time.perf_counter()
    asyncio.run(_record(target))
    special = partial(_special, tasks)
    for mark, copies in ((story.LARGE, story.LARGE_TASKS), (story.MARK, tasks)):
        story.multiply(target, mark, copies, special)
    say(f"{database}: {tasks:,} tasks with facts in {time.perf_counter() - began:.0f} s")
    return target


def _copied(bench_env: BenchEnv, folder: Path, database: str, tasks: int) -> str:
    if database == "postgresql":
        postgres = bench_env.postgres
        url = year_stores.on_postgres(postgres, folder, tasks, say)
        return postgres.url(postgres.new_database(urlsplit(url).path.lstrip("/")))
    target = bench_env.new_folder() / "receiver.db"
    shutil.copy(year_stores.on_sqlite(folder, tasks, say), target)
    return str(target)


async def _record(target: str) -> None:
    async with open_api_env(target, clock=SteppedClock(NOW)) as env:
        for number in range(year.QUEUES):
            await env.queue(str(20_001 + number), name=f"queue {number}")
        await story.record(env, NOW - 1_000)


def _special(tasks: int, column: Column[Any]) -> str | None:
    """Return SQL for numbers and moments of task `n`."""
    numbers = finding.numbers_of(max(1, tasks // _CUSTOMERS))
    if column.name in numbers:
        return numbers[column.name]
    if isinstance(column.type, Float):
        name = f'"{column.table.name}"."{column.name}"'
        return f"CASE WHEN {name} > 1000000000 THEN {name} - CAST(n AS BIGINT) * {_EVERY_S} ELSE {name} END"
    return None
