"""`export`: rows per second of `receiver export`, beside what the databases' own shells write of the same
rows and columns, and whether its memory stays flat.
"""

import os
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from receiver.analytics.views import TASKS
from tests.bench import options, year_stores
from tests.bench.bench_env import ROOT, BenchEnv, BenchError
from tests.bench.contestants import ours
from tests.bench.figures import Figure, Goal, Spread
from tests.bench.machine import describe
from tests.bench.memory import resident_mb
from tests.bench.postgres import Postgres
from tests.bench.report import Report, say
from tests.bench.rounds import Race, turns
from tests.bench.year import LEAST

SUFFIXES = ("csv", "jsonl", "parquet")
_SHELL = {"SQLite": "sqlite3 -csv", "PostgreSQL": "COPY"}

_LOOK_S = 0.05
"""Between two looks at the memory."""

_MASKED = f"SELECT * FROM {TASKS.view}"
_BARE = f"SELECT {', '.join(field.source for field in TASKS.fields)} FROM {TASKS.tables}"
"""The columns of an export as they are in the table: numbers in full, moments as numbers."""


@dataclass(frozen=True)
class Way:
    """A command that writes all tasks into a file, `to` or its standard output. `is_ours`: it is watched."""

    name: str
    command: Sequence[str]
    to: Path
    is_ours: bool = False


@dataclass(frozen=True)
class Run:
    """`memory`: readings from its first rows on, MB."""

    seconds: float
    memory: Sequence[float]


def export(
    *,
    tasks: Annotated[int, typer.Option(min=LEAST, help="Tasks in the database.")] = 300_000,
    rounds: options.Rounds = 5,
    seed: options.Seed = 1,
    keep: Annotated[
        Path | None, typer.Option(help="Where filled databases are kept to be used again; default: nowhere.")
    ] = None,
    folder: options.Folder = None,
    as_json: options.Json = None,
) -> None:
    """`receiver export tasks` as CSV ÷ `COPY … TO STDOUT` by psql, and ÷ `sqlite3 -csv`; whole commands."""
    figures: list[Figure] = []
    outcome = Race()
    with options.bench_env(folder, keep=keep) as here:
        runs: dict[str, dict[str, list[Run]]] = {}
        for database, ways in _ways(here, keep or here.folder, tasks, outcome):
            runs[database] = defaultdict(list)
            for way in ways.values():
                _run(way, tasks)
            for number, name in turns(list(ways), rounds, seed):
                runs[database][name].append(_run(ways[name], tasks))
                rate = tasks / runs[database][name][-1].seconds
                say(f"round {number} of {rounds}: {ways[name].name}: {rate:,.0f} rows/s")
            figures += _figures(database, runs[database], tasks)
        settings = {"tasks": tasks, "rounds": rounds, "seed": seed}
        details = {"runs": runs, "shells": _shells(here)}
        options.conclude(Report("export", settings, describe(here), figures, outcome, details), as_json)


def _ways(
    bench_env: BenchEnv, folder: Path, tasks: int, outcome: Race
) -> Iterator[tuple[str, dict[str, Way]]]:
    """(a database that there is, the ways out of it)."""
    path = year_stores.on_sqlite(folder, tasks, say)
    ways = _ours(bench_env, "SQLite", path)
    if shell := shutil.which("sqlite3"):
        ways |= _theirs(bench_env, "SQLite", lambda query: (shell, "-readonly", "-csv", path, query))
    else:
        outcome.left_out["SQLite, sqlite3 -csv"] = "there is no sqlite3 on the PATH"
    yield "SQLite", ways
    if problem := Postgres.problem():
        outcome.left_out["PostgreSQL"] = problem
        return
    url = year_stores.on_postgres(bench_env.postgres, folder, tasks, say)
    ways = _ours(bench_env, "PostgreSQL", url)

    def copy(query: str) -> Sequence[str]:
        return (bench_env.postgres.psql, url, "-qXc", f"COPY ({query}) TO STDOUT (FORMAT csv)")

    yield "PostgreSQL", ways | _theirs(bench_env, "PostgreSQL", copy)


def _theirs(bench_env: BenchEnv, database: str, command: Callable[[str], Sequence[str]]) -> dict[str, Way]:
    """What the database itself has: of the view, and of the table as it is."""
    named = {_SHELL[database]: _MASKED, f"{_SHELL[database]}, bare": _BARE}
    return {
        name: Way(f"{database}, {name}", command(query), bench_env.new_folder() / "tasks.csv")
        for name, query in named.items()
    }


def _ours(bench_env: BenchEnv, database: str, target: str) -> dict[str, Way]:
    settings = ours.write_settings(bench_env.new_folder(), target, 8080)
    ways = {}
    for suffix in SUFFIXES:
        to = bench_env.new_folder() / f"tasks.{suffix}"
        command = ours.command(settings, "export", "tasks", "--out", str(to))
        ways[suffix] = Way(f"{database}, receiver export, {suffix}", command, to, is_ours=True)
    return ways


def _run(way: Way, tasks: int) -> Run:
    """One run of a command. Raises BenchError where it fails or does not write all rows."""
    memory: list[float] = []
    with Path(os.devnull if way.is_ours else way.to).open("wb") as output:
        began = time.perf_counter()
        with subprocess.Popen(way.command, stdout=output, stderr=subprocess.PIPE, cwd=ROOT) as process:
            while way.is_ours and process.poll() is None:
                time.sleep(_LOOK_S)
                # What has just ended has no memory any more.
                with suppress(StopIteration):
                    memory += [resident_mb(process.pid)] * Path(f"{way.to}.part").exists()
            _, problem = process.communicate()
        seconds = time.perf_counter() - began
    if process.returncode:
        raise BenchError(f"{way.name}: {problem[-1000:]!r}")
    if (written := _rows(way)) != tasks:
        raise BenchError(f"{way.name} wrote {written:,} rows of {tasks:,}")
    way.to.unlink()
    return Run(seconds, memory)


def _rows(way: Way) -> int:
    """There are no line feeds in the texts."""
    if way.to.suffix == ".parquet":
        from pyarrow.parquet import read_metadata

        return int(read_metadata(way.to).num_rows)
    with way.to.open("rb") as file:
        lines = sum(1 for _ in file)
    return lines - (way.is_ours and way.to.suffix == ".csv")


def _figures(database: str, runs: Mapping[str, Sequence[Run]], tasks: int) -> Iterator[Figure]:
    rates = {name: [tasks / run.seconds for run in some] for name, some in runs.items()}
    for name, some in rates.items():
        yield Figure(Goal(f"{database}: {name}"), Spread.of(some), " rows/s")
    for name, least in ((_SHELL[database], 0.3), (f"{_SHELL[database]}, bare", None)):
        if name in rates:
            ratios = [one / other for one, other in zip(rates["csv"], rates[name], strict=True)]
            yield Figure(Goal(f"{database}: csv ÷ {name}", least), Spread.of(ratios))
    for name in SUFFIXES:
        readings = [run.memory for run in runs[name]]
        grown = [some[-1] / some[len(some) // 10] for some in readings if some]
        if grown:
            most = Spread.of(max(some) for some in readings if some)
            yield Figure(Goal(f"{database}: {name}, memory"), most, " MB")
            yield Figure(Goal(f"{database}: {name}, memory at the end ÷ after a tenth"), Spread.of(grown))


def _shells(bench_env: BenchEnv) -> dict[str, str]:
    """What else wrote the rows, in the versions that it says itself."""
    there = [shutil.which("sqlite3"), bench_env.postgres.psql if bench_env.postgres.started else None]
    return {
        shell: subprocess.check_output([shell, "--version"], text=True).strip() for shell in there if shell
    }
