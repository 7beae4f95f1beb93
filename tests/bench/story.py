"""`story`: how long the story of one task takes among a million others."""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Annotated, Any

import typer
from sqlalchemy import Column, Connection, Table, text

from receiver.domain.facts import TaskSettled
from receiver.ledger.tables import DELIVERY, FACT, LINK
from receiver.outcomes.tables import DELIVERY_ATTEMPT, MESSAGE, OUTCOME
from receiver.storage.bulk import is_postgres
from receiver.storage.engine import Store
from receiver.tasks.tables import ATTEMPT, FINDING, TASK, TASK_NUMBER
from tests.bench import options
from tests.bench.bench_env import BenchEnv, BenchError
from tests.bench.figures import Figure, Goal, Spread
from tests.bench.machine import describe
from tests.bench.report import Report, say
from tests.http.api_env import T0, ApiEnv, finished, open_api_env
from tests.outcomes.delivery_env import DeliveryEnv, SteppedClock
from tests.outcomes.subscriber import subscriber

MARK, LARGE = "MARK", "LARGE"
"""Texts in all names of the task that is multiplied: a usual one, and one with many facts and messages."""

_NUMBERS = {OUTCOME: ("seq",), MESSAGE: ("seq", "outcome_seq", "body_seq"), FACT: ("seq",)}
_NUMBERS[DELIVERY_ATTEMPT] = ("seq", "message_seq")
_TABLES = (DELIVERY, FACT, LINK, TASK, TASK_NUMBER, ATTEMPT, FINDING, OUTCOME, MESSAGE, DELIVERY_ATTEMPT)
_BLOCK = 50_000
_STRIDE = 64
"""Numbers that each copy has for its rows; the task with most rows needs fewer."""

LARGE_TASKS = 500

Special = Callable[[Column[Any]], str | None]
"""Returns SQL for a column of copy `n`, None where it has the value of the task that is copied."""


def _nothing(_column: Column[Any]) -> None:
    """Change no column."""


def story(
    *,
    tasks: Annotated[int, typer.Option(min=1, help="Tasks in the store.")] = 1_000_000,
    requests: Annotated[int, typer.Option(min=20, help="Stories that are measured.")] = 400,
    seed: options.Seed = 1,
    only: Annotated[str, typer.Option(help="`sqlite`, `postgresql` or both.")] = "sqlite,postgresql",
    folder: options.Folder = None,
    as_json: options.Json = None,
) -> None:
    """Read the stories of tasks with 20 facts and 10 messages, over the API, among usual tasks."""
    figures: list[Figure] = []
    with options.bench_env(folder) as here:
        for database in only.split(","):
            sample = requests, Random(seed)
            figures += [figure(target(here, database), database, tasks, sample)]
        settings = {"tasks": tasks, "requests": requests, "seed": seed}
        options.conclude(Report("story", settings, describe(here), figures), as_json)


def figure(store: str, database: str, tasks: int, sample: tuple[int, Random]) -> Figure:
    """The figure of stories in a store that is empty at first. `sample`: how many, and which."""
    times = asyncio.run(_measure(store, tasks, *sample))
    name = f"story of 20 facts and 10 messages, p95, {tasks:,} tasks, {database}"
    return Figure(Goal(name, 30, below=True), p95(times), "ms")


def target(here: BenchEnv, database: str) -> str:
    if database == "postgresql":
        return here.postgres.url(here.postgres.new_database())
    return str(Path(here.new_folder()) / "receiver.db")


def p95(times: Sequence[float]) -> Spread:
    """The 95th percentile, between the middle and the longest."""
    by_twentieths = statistics.quantiles(times, n=20)
    return Spread(by_twentieths[18], by_twentieths[9], max(times))


async def _measure(target: str, tasks: int, requests: int, rng: Random) -> list[float]:
    """Milliseconds of each story, the first of its task."""
    async with open_api_env(target, clock=SteppedClock(T0 + 1_000)) as env:
        await record(env, T0)
        began = time.perf_counter()
        for mark, copies in ((LARGE, LARGE_TASKS), (MARK, tasks)):
            multiply(target, mark, copies)
        say(f"{tasks:,} tasks in {time.perf_counter() - began:.0f} s")
        headers = {"Authorization": f"Bearer {await env.token('read')}"}
        chosen = rng.sample(range(1, LARGE_TASKS), min(requests + 20, LARGE_TASKS - 1))
        times, cpu = [], time.process_time()
        for number in chosen:
            began = time.perf_counter()
            answer = await env.client.get(f"/v1/tasks/main/r{LARGE}{number}/story", headers=headers)
            times.append((time.perf_counter() - began) * 1000)
            answer.raise_for_status()
            told = answer.json()
            messages = sum(len(each["messages"]) for each in told["subscribers"])
            if (len(told["facts"]), messages) != (20, 10):
                raise BenchError(f"a story of {len(told['facts'])} facts and {messages} messages")
        cpu_ms = (time.process_time() - cpu) * 1000 / len(chosen)
        say(f"{cpu_ms:.1f} ms of processor time for each story, its client included")
        return times[20:]


async def record(env: ApiEnv, at: float) -> None:
    """A usual task and a large one, recorded and delivered by the product; their first hooks came at `at`."""
    delivery = DeliveryEnv(env.ledger_env, SteppedClock(at + 1_000))
    async with subscriber() as crm:
        await delivery.subscribe(crm.url, "one", filter={"types": ["task.finished"]})
        await env.hook(f"r{MARK}", "after", at, result="success", call=f"c{MARK}")
        await env.said(f"r{MARK}", at + 3, finished(cdr=f"c{MARK}", start_at=at), task_id=f"t{MARK}")
        await delivery.change("one", filter={})
        await delivery.subscribe(crm.url, "other")
        for place in range(16):
            await env.hook(f"r{LARGE}", "before", at + place)
        await env.hook(f"r{LARGE}", "success", at + 20)
        await env.hook(f"r{LARGE}", "after", at + 30, result="success", call=f"c{LARGE}")
        ended = finished(cdr=f"c{LARGE}", try_count=1, start_at=at)
        for moment, said in ((at + 40, ended), (at + 400, TaskSettled())):
            await env.said(f"r{LARGE}", moment, said, task_id=f"t{LARGE}")
        async with delivery.delivering():
            await delivery.until("delivered", 11, 60)


def multiply(target: str, mark: str, copies: int, special: Special = _nothing) -> None:
    """Copy the rows of the task whose names contain the mark. `special`: of columns that differ."""
    with closing(Store(target)) as store:
        for first in range(1, copies + 1, _BLOCK):
            last = min(first + _BLOCK - 1, copies)
            with store.transaction() as connection:
                for table in _TABLES:
                    connection.exec_driver_sql(_copy(connection, table, mark, (first, last), special))
        with store.transaction() as connection:
            connection.execute(text("ANALYZE"))


def _copy(connection: Connection, table: Table, mark: str, numbers: tuple[int, int], special: Special) -> str:
    """SQL that writes copies of the marked rows, with other names, ids and times."""
    columns = ", ".join(f'"{column.name}"' for column in table.c)
    values = ", ".join(_values(table, mark, special))
    tables, where = f'{series(connection, numbers)}, "{table.name}"', _marked(table, mark)
    return f'INSERT INTO "{table.name}" ({columns}) SELECT {values} FROM {tables} WHERE {where}'


def series(connection: Connection, numbers: tuple[int, int]) -> str:
    """A table with the column `n` of all numbers from the first to the last."""
    first, last = numbers
    if is_postgres(connection):
        return f"generate_series({first}, {last}) AS series(n)"
    return (
        f"(WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM s WHERE n < {last}) "
        "SELECT n FROM s) AS series"
    )


def _values(table: Table, mark: str, special: Special) -> Iterator[str]:
    base = 1_000 if mark == LARGE else 1_000_000
    for column in table.c:
        name = f'"{table.name}"."{column.name}"'
        if column.name in _NUMBERS.get(table, ()):
            yield f"{name} + {base} + n * {_STRIDE}"
        elif column.name == "id":
            yield f"{name} || '{mark}' || n"
        elif column.name in ("ref", "task_id", "key", "cdr", "call", "said", "data"):
            yield f"replace({name}, '{mark}', '{mark}' || n)"
        else:
            yield special(column) or name


def _marked(table: Table, mark: str) -> str:
    """The condition that a row belongs to the marked task itself."""
    if table is DELIVERY_ATTEMPT:
        return f"message_seq IN (SELECT seq FROM message WHERE \"key\" = 'r{mark}')"
    is_of_task = f'"{table.name}"."{"key" if "key" in table.c else "ref"}" = \'r{mark}\''
    # Of a usual task only the event with a message, since the content of events takes most of the room.
    is_usual = table is OUTCOME and mark == MARK
    return f"{is_of_task} AND type = 'task.finished'" if is_usual else is_of_task
