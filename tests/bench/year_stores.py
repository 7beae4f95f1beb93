"""Databases with a year of tasks, filled where there is none yet of so many."""

import hashlib
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import Dialect, Index
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from receiver.maintenance.schema import complete_metadata, create_tables
from receiver.storage.engine import Store
from receiver.tasks import task_counts
from receiver.tasks.tables import TASK
from tests.bench import year
from tests.bench.bench_env import BenchError
from tests.bench.postgres import Postgres
from tests.bench.rounds import Say

_BYTES_A_TASK = 1800
_FAST = (
    "journal_mode=OFF",
    "synchronous=OFF",
    "locking_mode=EXCLUSIVE",
    "cache_size=-1000000",
    "temp_store=MEMORY",
)
_ROOMY = (
    "synchronous_commit = off",
    "work_mem = '256MB'",
    "maintenance_work_mem = '512MB'",
    "temp_buffers = '512MB'",
)

Run = Callable[[str], object]
"""Runs a statement."""


def on_sqlite(folder: Path, tasks: int, say: Say) -> str:
    """The path of a database in the folder."""
    path = folder / f"{_name('sqlite', tasks)}.db"
    if not path.is_file():
        _insist_on_room(folder, tasks)
        unfinished = path.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        _create(str(unfinished))
        with closing(sqlite3.connect(unfinished, isolation_level=None)) as connection:
            for pragma in _FAST:
                connection.execute(f"PRAGMA {pragma}")
            _fill(connection.execute, sqlite.dialect(), tasks, say)
            connection.execute("PRAGMA journal_mode=WAL")
        _count(str(unfinished))
        unfinished.rename(path)
    return str(path)


def on_postgres(postgres: Postgres, folder: Path, tasks: int, say: Say) -> str:
    """The URL of a database of the server, whose data lie in the folder."""
    import psycopg

    name = _name("postgresql", tasks)
    if not postgres.has_database(name):
        _insist_on_room(folder, tasks)
        unfinished = f"unfinished_{name}"
        postgres.execute("postgres", f"DROP DATABASE IF EXISTS {unfinished}")
        postgres.execute("postgres", f"CREATE DATABASE {unfinished}")
        _create(postgres.url(unfinished))
        with psycopg.connect(postgres.url(unfinished), autocommit=True) as connection:

            def run(statement: str) -> None:
                connection.execute(statement.encode())

            for setting in _ROOMY:
                run(f"SET {setting}")
            _fill(run, postgresql.dialect(), tasks, say)  # type: ignore[no-untyped-call]
            _count(postgres.url(unfinished))
            # As autovacuum would, sooner or later.
            run("VACUUM (ANALYZE)")
        postgres.execute("postgres", f"ALTER DATABASE {unfinished} RENAME TO {name}")
        postgres.execute("postgres", "CHECKPOINT")
    return postgres.url(name)


def _name(dialect: year.Dialect, tasks: int) -> str:
    """It tells the schema and the way of filling from others."""
    tables = [
        str(CreateTable(table).compile(dialect=sqlite.dialect()))
        for table in complete_metadata().sorted_tables
    ]
    written = [*year.statements(dialect, tasks)][-2:]
    shape = hashlib.sha256(repr([tables, _indexes(sqlite.dialect()), written]).encode())
    return f"year_{tasks}_{shape.hexdigest()[:12]}"


def _insist_on_room(folder: Path, tasks: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < tasks * _BYTES_A_TASK:
        raise BenchError(f"{folder} has no room for {tasks:,} tasks; see --keep and --folder")


def _create(target: str) -> None:
    with closing(Store(target)) as store:
        create_tables(store)


def _count(target: str) -> None:
    with closing(Store(target)) as store, store.transaction() as connection:
        wrong = task_counts.differences(connection)
        task_counts.add(connection, {key: right - kept for key, (kept, right) in wrong.items()})


def _fill(run: Run, dialect: Dialect, tasks: int, say: Say) -> None:
    """Tasks, sums, and the tasks' indexes at the end."""
    began, written = time.perf_counter(), 0
    for index in TASK.indexes:
        run(f"DROP INDEX {index.name}")
    kind: year.Dialect = "postgresql" if dialect.name == "postgresql" else "sqlite"
    for added, statements in year.statements(kind, tasks):
        for statement in statements:
            run(statement)
        written += added
        if added:
            say(f"{dialect.name}: {written:,} tasks, {written / (time.perf_counter() - began):,.0f}/s")
    for statement in _indexes(dialect):
        run(statement)
    say(f"{dialect.name}: {written:,} tasks, sums and indexes in {time.perf_counter() - began:.0f} s")


def _indexes(dialect: Dialect) -> list[str]:
    def sql(index: Index) -> str:
        return str(CreateIndex(index).compile(dialect=dialect))

    return sorted(map(sql, TASK.indexes))
