"""`growth`: whether a ledger of millions of facts takes in as many events per second as a small one."""

import hashlib
import os
import shutil
import socket
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPResponse
from pathlib import Path
from typing import Annotated

import typer

from receiver.analytics.rollup_repair import recount
from receiver.domain.facts import EVENTS
from receiver.storage.engine import Store
from tests.bench import options
from tests.bench.bench_env import BenchEnv, BenchError
from tests.bench.contestants import ours
from tests.bench.contestants.contestant import Contestant, Stand
from tests.bench.figures import Goal, ratios
from tests.bench.fill import multiply
from tests.bench.machine import describe
from tests.bench.report import Report, say
from tests.bench.rounds import Plan, race
from tests.bench.traffic import one_task

DATA_DIR = Path(tempfile.gettempdir()) / "receiver-bench-data"
_BYTES_A_FACT = 2500
_COPIED = 1_000_000
"""A ledger of fewer facts is copied for each run."""


def growth(
    *,
    rounds: options.Rounds = 5,
    seconds: options.Seconds = 3.0,
    warmup: options.Warmup = 3.0,
    connections: options.Connections = 64,
    events: Annotated[int, typer.Option(min=1000, help="Facts in the large ledger.")] = 10_000_000,
    small: Annotated[int, typer.Option(min=1000, help="Facts in the small one.")] = 100_000,
    data_dir: Annotated[
        Path, typer.Option(help="Where filled ledgers are kept to be used again.")
    ] = DATA_DIR,
    random_refs: Annotated[
        bool, typer.Option("--random-refs", help="Refs that lie anywhere in the indexes, not by time.")
    ] = False,
    seed: options.Seed = 1,
    folder: options.Folder = None,
    as_json: options.Json = None,
) -> None:
    """Ingest into a large SQLite ledger, filled directly, beside ingest into a small one."""
    plan = Plan(rounds, seconds, warmup, connections, seed)
    with options.bench_env(folder) as here:
        here.random_refs = random_refs
        base = record_one_task(here)
        contestants = [_contestant(filled(base, data_dir, facts), facts) for facts in (small, events)]
        outcome = race(here, contestants, plan, say)
        goal = Goal(f"{events:,} facts ÷ {small:,}", 0.9)
        figures = ratios(outcome.samples, [(contestants[1].name, contestants[0].name, goal)])
        sizes = {"facts": [small, events], "random_refs": random_refs}
        options.conclude(Report("growth", vars(plan) | sizes, describe(here), figures, outcome), as_json)


def record_one_task(bench_env: BenchEnv) -> Path:
    """A database into which the product has recorded one task."""
    path = bench_env.new_folder() / "one.db"
    with (
        ours.on_sqlite(bench_env, path) as stand,
        socket.create_connection(("127.0.0.1", stand.ports[0])) as sock,
    ):
        for _, request in one_task(stand.traffic, seed=1):
            sock.sendall(request)
            answer = HTTPResponse(sock)
            answer.begin()
            if answer.status != 200:
                raise BenchError(f"a hook of the one task was not recorded: {answer.read()!r}")
            answer.read()
        deadline = time.monotonic() + 30
        while stand.backlog is not None and stand.backlog() and time.monotonic() < deadline:
            time.sleep(0.05)
    return path


def filled(base: Path, data_dir: Path, facts: int) -> Path:
    """A ledger of so many facts, from `data_dir` if it has one of this schema."""
    with closing(sqlite3.connect(base)) as connection:
        schema = sorted(str(sql) for (sql,) in connection.execute("SELECT sql FROM sqlite_master"))
        ref = connection.execute("SELECT ref FROM delivery").fetchone()[0]
    shape = hashlib.sha256(repr([schema, len(ref)]).encode()).hexdigest()[:12]
    path = data_dir / f"ledger-{facts}-{shape}.db"
    if not path.is_file():
        data_dir.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(data_dir).free < facts * _BYTES_A_FACT:
            raise BenchError(f"{data_dir} has no room for {facts:,} facts; see --data-dir")
        say(f"filling {path}")
        unfinished = path.with_suffix(".unfinished")
        shutil.copyfile(base, unfinished)
        multiply(unfinished, facts // len(EVENTS), say)
        say("adding up the sums")
        with closing(Store(unfinished)) as store:
            recount(store)
        unfinished.rename(path)
    return path


def _contestant(ledger: Path, facts: int) -> Contestant:
    # A small ledger would soon not be small any more; a large one hardly changes in a few rounds.
    small = facts < _COPIED
    start = partial(_on_a_copy, ledger=ledger) if small else partial(ours.on_sqlite, path=ledger)
    return Contestant(f"receiver-sqlite, {facts:,} facts", "", start, most=ours.SQLITE.most)


@contextmanager
def _on_a_copy(bench_env: BenchEnv, ledger: Path) -> Iterator[Stand]:
    path = bench_env.new_folder() / "receiver.db"
    shutil.copyfile(ledger, path)
    with path.open("rb") as copy:
        # Or the disk would be busy with it while the receiver is measured.
        os.fsync(copy.fileno())
    try:
        with ours.on_sqlite(bench_env, path) as stand:
            yield stand
    finally:
        path.unlink()
