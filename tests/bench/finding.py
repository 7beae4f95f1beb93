"""`find`: how long the search for a phone number takes among millions of tasks, and what it costs ingest."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from random import Random
from typing import Annotated

import typer
from sqlalchemy import Connection, Table, text

from receiver.storage.bulk import is_postgres
from receiver.storage.engine import Store
from receiver.tasks.tables import ATTEMPT, TASK, TASK_NUMBER
from tests.bench import options, story
from tests.bench.bench_env import BenchEnv, BenchError
from tests.bench.contestants import ours
from tests.bench.contestants.contestant import Contestant
from tests.bench.figures import SUSTAINED, Figure, Goal, ratios
from tests.bench.machine import describe
from tests.bench.report import Report, say
from tests.bench.rounds import Plan, Race, race
from tests.http.api_env import T0, ApiEnv, finished, open_api_env

_WITH, _WITHOUT = "receiver-sqlite", "receiver-sqlite, without search"
_TABLES = (TASK, TASK_NUMBER, ATTEMPT)
_BLOCK = 200_000
_WARM = 20
"""Searches that are not measured, of each kind."""

_CUSTOMERS, _OFFICES = 3, 100
"""Tasks of a customer, and numbers of the company, which are in all other tasks."""

_FIRST_CUSTOMER, _FIRST_OFFICE = 79_160_000_000, 74_957_650_000


def find(
    *,
    tasks: Annotated[int, typer.Option(min=1000, help="Tasks in the store.")] = 10_000_000,
    requests: Annotated[int, typer.Option(min=20, help="Searches of each kind that are measured.")] = 400,
    stories: Annotated[int, typer.Option(min=0, help="Tasks beside the stories; 0: no stories.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=0, help="Rounds of ingest with and without; 0: none.")] = 5,
    seconds: options.Seconds = 5.0,
    seed: options.Seed = 1,
    only: Annotated[str, typer.Option(help="`sqlite`, `postgresql` or both.")] = "sqlite,postgresql",
    folder: options.Folder = None,
    as_json: options.Json = None,
) -> None:
    """Search for phone numbers over the API; stories of tasks; ingest with the projection ÷ without."""
    settings = {"tasks": tasks, "requests": requests, "stories": stories, "seed": seed, "rounds": rounds}
    figures: list[Figure] = []
    with options.bench_env(folder) as here:
        for database in only.split(","):
            found = asyncio.run(_search(story.target(here, database), tasks, requests, Random(seed)))
            figures += _figures(found, f"{tasks:,} tasks, {database}")
            if stories:
                target = story.target(here, database)
                figures.append(story.figure(target, database, stories, (requests, Random(seed))))
        outcome = _ingest(here, Plan(rounds, seconds, 0.5, 64, seed)) if rounds else Race()
        goal = Goal("ingest until all is folded, with search ÷ without", 0.95)
        pair = _WITH + SUSTAINED, _WITHOUT + SUSTAINED, goal
        figures += ratios(outcome.samples, [pair])
        options.conclude(Report("find", settings, describe(here), figures, outcome), as_json)


def _figures(found: dict[str, list[float]], where: str) -> list[Figure]:
    limits = {"a customer's number": 20.0}
    return [
        Figure(Goal(f"find by {kind}, p95, {where}", limits.get(kind), below=True), story.p95(times), "ms")
        for kind, times in found.items()
    ]


def _ingest(here: BenchEnv, plan: Plan) -> Race:
    """Take in hooks with phone numbers, with and without the projection in turn."""
    modules = {_WITH: "receiver", _WITHOUT: "tests.bench.apps.without_search"}
    contestants = [
        Contestant(name, "", partial(ours.on_sqlite, numbers=True, module=module), most=ours.SQLITE.most)
        for name, module in modules.items()
    ]
    return race(here, contestants, plan, say)


async def _search(target: str, tasks: int, requests: int, rng: Random) -> dict[str, list[float]]:
    """Return kind of search → milliseconds of each."""
    async with open_api_env(target) as env:
        await env.hook(f"r{story.MARK}", "before", T0)
        await env.said(f"r{story.MARK}", T0 + 60, finished(), task_id=f"t{story.MARK}")
        began = time.perf_counter()
        customers = max(1, tasks // _CUSTOMERS)
        _multiply(target, tasks, customers)
        say(f"{tasks:,} tasks of {customers:,} customers in {time.perf_counter() - began:.0f} s")
        await env.token("numbers")
        known = [f"+{customer(rng, customers)}" for _ in range(requests + _WARM)]
        offices = [f"+{_FIRST_OFFICE + rng.randrange(_OFFICES)}" for _ in range(requests + _WARM)]
        kinds = {
            "a customer's number": known,
            "a number of a hundredth of all tasks": offices,
            # Numbers of the company end in 00 and two digits.
            "the last four digits": [f"{rng.randrange(100, min(customers, 10_000)):04}" for _ in known],
        }
        return {kind: await _times(env, phones) for kind, phones in kinds.items()}


async def _times(env: ApiEnv, phones: Sequence[str]) -> list[float]:
    times = []
    for phone in phones:
        began = time.perf_counter()
        answer = await env.get("/v1/find", "numbers", phone=phone)
        times.append((time.perf_counter() - began) * 1000)
        if not answer["found"]:
            raise BenchError("a number that is in the store was not found")
    return times[_WARM:]


def _multiply(target: str, tasks: int, customers: int) -> None:
    """Copy the rows of the one task, with other names, times and numbers. Indexes are built at the end."""
    indexes = [
        index for table in _TABLES for index in sorted(table.indexes, key=lambda index: str(index.name))
    ]
    with closing(Store(target)) as store:
        with store.transaction() as connection:
            for index in indexes:
                index.drop(connection)
        for first in range(1, tasks + 1, _BLOCK):
            last = min(first + _BLOCK - 1, tasks)
            with store.transaction() as connection:
                if not is_postgres(connection):
                    connection.exec_driver_sql("PRAGMA cache_size = -1000000")
                for table in _TABLES:
                    connection.exec_driver_sql(_copy(connection, table, (first, last), customers))
        for index in indexes:
            with store.transaction() as connection:
                index.create(connection)
        with store.transaction() as connection:
            connection.execute(text("ANALYZE"))


def _copy(connection: Connection, table: Table, numbers: tuple[int, int], customers: int) -> str:
    columns = ", ".join(f'"{column.name}"' for column in table.c)
    values = ", ".join(_values(table, customers))
    return (
        f'INSERT INTO "{table.name}" ({columns}) SELECT {values} FROM {story.series(connection, numbers)}, '
        f'"{table.name}" WHERE "{table.name}".account = \'main\' AND "{table.name}".key = \'r{story.MARK}\''
    )


def _rest(number: str, divisor: int) -> str:
    """SQL for the rest of a division; drivers take a percent sign for a parameter."""
    return f"({number} - {number} / {divisor} * {divisor})"


def customer(rng: Random, customers: int) -> int:
    """Return the number of one of the customers."""
    return _FIRST_CUSTOMER + rng.randrange(customers)


def numbers_of(customers: int) -> dict[str, str]:
    """Return column → SQL for the phone numbers of task `n`."""
    customer = f"CAST({_FIRST_CUSTOMER} + {_rest('(CAST(n AS BIGINT) * 7919)', customers)} AS TEXT)"
    office = f"CAST({_FIRST_OFFICE} + {_rest('n', _OFFICES)} AS TEXT)"
    number = f"(CASE WHEN \"leg\" = 'a' THEN {customer} ELSE {office} END)"
    return {
        "a_number": f"'+' || {customer}",
        "b_number": f"'+' || {office}",
        "e164": f"'+' || {number}",
        "digits": " || ".join(f"substr({number}, {place}, 1)" for place in range(11, 0, -1)),
    }


def _values(table: Table, customers: int) -> Iterator[str]:
    special = numbers_of(customers)
    for column in table.c:
        name = f'"{table.name}"."{column.name}"'
        if column.name in special:
            yield special[column.name]
        elif column.name in ("ref", "task_id", "key", "cdr", "call"):
            yield f"replace({name}, '{story.MARK}', '{story.MARK}' || n)"
        elif column.name in ("first_at", "last_at", "at", "started_at"):
            yield f"{name} + n"
        else:
            yield name
