"""`receiver serve` as it is, with everything on but reconciliation: there is no scheduler to ask."""

import json
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.bench.bench_env import BenchEnv, Program, free_port, running, server_cores
from tests.bench.contestants.contestant import Contestant, Stand, needs_postgres
from tests.bench.traffic import ACCOUNT, ID_FIELD, KEY_NAME, KEY_SECRET, Traffic

Numbers = tuple[int, ...]

_SETTINGS = """
port = {port}
store = "{store}"
log_level = "error"
hook_keys = [{{ name = "{key}", secret = "{secret}" }}]
[accounts.{account}]
base_url = "http://127.0.0.1:9/api/ver1.0"
oauth_client_id = "app"
oauth_client_secret = "an-application-secret"
[api]
port = {api_port}
[reconcile]
enabled = false
[delivery]
allowed_networks = ["127.0.0.0/8"]
"""

BODIES = (
    "SELECT delivery.body FROM delivery JOIN fact ON fact.id = delivery.account || '/hook/' || delivery.id"
)
"""The bodies of the deliveries that are facts as well."""


UNFOLDED = "SELECT coalesce(sum(count), 0) + (SELECT count(*) FROM dirty_task) FROM inbox"
"""Hooks that are on disk and not read yet, and tasks whose timelines do not hold all that was read."""


def write_settings(folder: Path, store: str, port: int, api_port: int = 0) -> Path:
    """A settings file for `receiver serve` on that store."""
    path = folder / f"receiver-{port}.toml"
    values = {"port": port, "api_port": api_port, "store": store, "key": KEY_NAME, "secret": KEY_SECRET}
    values["account"] = ACCOUNT
    path.write_text(_SETTINGS.format(**values))
    return path


def command(settings: Path, *words: str, module: str = "receiver") -> list[str]:
    return [sys.executable, "-m", module, *words, "--config", str(settings)]


class Served(NamedTuple):
    """Processes of `receiver serve`. `ports`: for hooks; `api_ports`: for all else."""

    ports: Numbers
    api_ports: Numbers
    pids: Numbers


@contextmanager
def serve(bench_env: BenchEnv, store: str, processes: int = 1, module: str = "receiver") -> Iterator[Served]:
    """`receiver serve`, so many of them on one store. `module`: run instead of `receiver`."""
    folder = bench_env.new_folder()
    ports = tuple(free_port() for _ in range(processes))
    api_ports = tuple(free_port() for _ in range(processes))
    programs = [
        Program(
            command(write_settings(folder, store, port, api_port), "serve", module=module), port, cores=tied
        )
        for port, api_port, tied in zip(ports, api_ports, server_cores(processes), strict=True)
    ]
    with running(bench_env, programs) as started:
        yield Served(ports, api_ports, tuple(process.pid for process in started))


@contextmanager
def on_sqlite(
    bench_env: BenchEnv, path: Path | None = None, *, numbers: bool = False, module: str = "receiver"
) -> Iterator[Stand]:
    """On the database at `path`, by default a new one. What was in it before is not looked at."""
    store = path or bench_env.new_folder() / "receiver.db"
    began = time.time()
    with serve(bench_env, str(store), module=module) as served:
        yield Stand(
            served.ports,
            Traffic("minted", random_refs=bench_env.random_refs, numbers=numbers),
            lambda: ids_of(_sqlite_bodies(store, began)),
            served.pids,
            lambda: _sqlite_count(store),
            served.api_ports,
        )


def _sqlite_bodies(path: Path, since: float) -> Iterator[bytes]:
    with closing(sqlite3.connect(path)) as connection:
        for (body,) in connection.execute(f"{BODIES} WHERE delivery.received_at >= ?", (since,)):
            yield body


def _sqlite_count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(UNFOLDED).fetchone()[0])


def ids_of(bodies: Iterable[bytes]) -> Iterator[str]:
    """The unique id in each body."""
    for body in bodies:
        yield json.loads(body)[ID_FIELD]


@contextmanager
def on_postgres(bench_env: BenchEnv, processes: int) -> Iterator[Stand]:
    postgres = bench_env.postgres
    name = postgres.new_database()
    unique = BODIES.replace("delivery.body", f"convert_from(delivery.body, 'UTF8')::json->>'{ID_FIELD}'")
    try:
        with serve(bench_env, postgres.url(name), processes) as served:
            yield Stand(
                served.ports,
                Traffic("minted", random_refs=bench_env.random_refs),
                lambda: postgres.texts(name, unique),
                served.pids,
                lambda: int(postgres.texts(name, UNFOLDED)[0]),
                served.api_ports,
            )
    finally:
        postgres.drop_database(name)


SQLITE = Contestant("receiver-sqlite", "receiver serve on SQLite, synchronous=FULL", on_sqlite, most=30_000)
POSTGRES = Contestant(
    "receiver-postgres",
    "receiver serve on PostgreSQL",
    partial(on_postgres, processes=1),
    most=30_000,
    problem=needs_postgres,
)
POSTGRES_2 = Contestant(
    "receiver-postgres-2",
    "two receiver serve on one PostgreSQL, half of the connections each",
    partial(on_postgres, processes=2),
    problem=needs_postgres,
)
