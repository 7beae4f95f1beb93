"""FastAPI and SQLModel with a commit per request, on either database."""

import importlib.util
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

from tests.bench.bench_env import BenchEnv, Program, free_port, running, server_cores, uvicorn
from tests.bench.contestants.contestant import Contestant, Stand, needs_postgres
from tests.bench.traffic import Traffic

_STORED = "SELECT event_id FROM hookevent"


def _program(url: str) -> Program:
    port = free_port()
    command = uvicorn("tests.bench.apps.plain:app", port)
    return Program(command, port, {"DATABASE_URL": url}, server_cores(1)[0])


@contextmanager
def _on_sqlite(bench_env: BenchEnv) -> Iterator[Stand]:
    path = bench_env.new_folder() / "plain.db"
    program = _program(f"sqlite:///{path}")

    def stored() -> list[str]:
        with closing(sqlite3.connect(path)) as connection:
            return [unique for (unique,) in connection.execute(_STORED)]

    with running(bench_env, [program]) as processes:
        yield Stand((program.port,), Traffic("plain"), stored, (processes[0].pid,))


@contextmanager
def _on_postgres(bench_env: BenchEnv) -> Iterator[Stand]:
    postgres = bench_env.postgres
    name = postgres.new_database()
    program = _program(postgres.url(name, "postgresql+psycopg"))
    try:
        with running(bench_env, [program]) as processes:
            stored = partial(postgres.texts, name, _STORED)
            yield Stand((program.port,), Traffic("plain"), stored, (processes[0].pid,))
    finally:
        postgres.drop_database(name)


def _problem(_ground: BenchEnv) -> str | None:
    return None if importlib.util.find_spec("fastapi") else "no FastAPI: pip install 'receiver[bench]'"


SQLITE = Contestant(
    "plain-sqlite",
    "FastAPI + SQLModel, a commit per request, SQLite synchronous=FULL",
    _on_sqlite,
    most=5_000,
    problem=_problem,
)
POSTGRES = Contestant(
    "plain-postgres",
    "FastAPI + SQLModel, a commit per request, PostgreSQL",
    _on_postgres,
    most=5_000,
    problem=lambda bench_env: _problem(bench_env) or needs_postgres(bench_env),
)
