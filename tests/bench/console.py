"""`console`: how long its pages take among a million tasks, their bytes, and what open ones cost hooks."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
import uvloop
from sqlalchemy import select

from receiver.storage.engine import Store
from receiver.tasks.tables import TASK
from tests.bench import options
from tests.bench.bench_env import ROOT, BenchEnv, BenchError
from tests.bench.console_pages import PageTimes, measure
from tests.bench.console_store import filled
from tests.bench.contestants import ours
from tests.bench.contestants.contestant import Contestant, Stand
from tests.bench.figures import Figure, Goal, Spread, by_contestant
from tests.bench.machine import describe
from tests.bench.report import Report, say
from tests.bench.rounds import Plan, Race, Sample, Session, race
from tests.bench.year import LEAST
from tests.console.page_env import add_session

_NAME, _BESIDE = "receiver-sqlite", "receiver-sqlite, open consoles"
_END_S = 60.0


def console(
    *,
    tasks: Annotated[int, typer.Option(min=LEAST, help="Tasks in the store.")] = 1_000_000,
    requests: Annotated[int, typer.Option(min=20, help="Visits of each page that are measured.")] = 200,
    rounds: Annotated[int, typer.Option(min=0, help="Rounds of hooks beside open consoles; 0: none.")] = 5,
    consoles: Annotated[int, typer.Option(min=1, help="Consoles that are open beside hooks.")] = 200,
    rate: Annotated[float, typer.Option(min=10, help="Hooks per second beside open consoles.")] = 1_000.0,
    seconds: options.Seconds = 15.0,
    warmup: options.Warmup = 1.0,
    connections: options.Connections = 64,
    seed: options.Seed = 1,
    only: Annotated[str, typer.Option(help="`sqlite`, `postgresql` or both.")] = "sqlite,postgresql",
    keep: Annotated[
        Path | None, typer.Option(help="Where a year of tasks is kept to be used again; default: nowhere.")
    ] = None,
    folder: options.Folder = None,
    as_json: options.Json = None,
) -> None:
    """Server time and bytes of each page; hooks' p99 beside open consoles ÷ alone (SQLite)."""
    figures: list[Figure] = []
    with options.bench_env(folder, keep=keep) as here:
        for database in filter(None, only.split(",")):
            target = filled(here, keep or here.folder, database, tasks)
            times = uvloop.run(measure(target, tasks, requests, seed))
            figures += _page_figures(times, f"{tasks:,} tasks, {database}")
        outcome = Race()
        if rounds:
            plan = Plan(rounds, seconds, warmup, connections, seed)
            outcome = _beside_consoles(here, plan, rate, consoles)
            figures += _hook_figures(outcome.samples, consoles)
        settings = {"tasks": tasks, "requests": requests, "rounds": rounds, "consoles": consoles}
        settings |= {"seed": seed}
        report = Report("console", settings | {"rate": rate, "seconds": seconds}, describe(here), figures)
        options.conclude(replace(report, race=outcome), as_json)


def _page_figures(times: dict[str, PageTimes], where: str) -> Iterator[Figure]:
    for name, found in times.items():
        spread = Spread(found.percentile(95), found.percentile(50), max(found.ms))
        yield Figure(Goal(f"{name}, p95 (least: p50), {where}", 50, below=True), spread, " ms")
        kilobytes = max(found.bytes) / 1000
        say(f"{name}: {found.cpu_ms:.1f} ms of processor time, its client included; {kilobytes:.0f} kB")
    largest, found = max(times.items(), key=lambda each: max(each[1].plain))
    sizes = Spread.of(size / 1000 for size in found.plain)
    name = f"the largest page, {largest}, with style and script, without charts, {where}"
    yield Figure(Goal(name, 150, below=True), Spread(sizes.most, sizes.least, sizes.most), " kB")


def _hook_figures(samples: list[Sample], consoles: int) -> Iterator[Figure]:
    found = by_contestant(samples)
    pairs = zip(found.get(_BESIDE, ()), found.get(_NAME, ()), strict=True)
    ratios = [beside.latency_ms["p99"] / alone.latency_ms["p99"] for beside, alone in pairs]
    if ratios:
        goal = Goal(f"hooks' p99 with {consoles} open consoles ÷ without", 1.10, below=True)
        yield Figure(goal, Spread.of(ratios))


@dataclass
class _Served:
    """The store of the receiver that runs."""

    store: Path = Path()


def _beside_consoles(bench_env: BenchEnv, plan: Plan, rate: float, consoles: int) -> Race:
    """In each round hooks at this rate with and without open consoles, in turn first. Some hooks come before
    these, so that there is a task that consoles can show.
    """
    served = _Served()
    pool = int(rate * (plan.seconds + plan.warmup)) + plan.connections

    def act(session: Session, number: int, plan: Plan) -> list[Sample]:
        run = partial(session.run, number, plan, rate=rate, pool=pool)
        session.run(number, plan, rate=rate, pool=pool // 4, seconds=plan.seconds / 4)
        samples = []
        for is_beside in sorted([False, True], reverse=number % 2 == 0):
            if not is_beside:
                samples.append(run())
                continue
            with _open_consoles(session, served.store, consoles):
                samples.append(replace(run(), contestant=_BESIDE))
        return samples

    return race(bench_env, [Contestant(_NAME, "", partial(_serving, served=served))], plan, say, act)


@contextmanager
def _serving(bench_env: BenchEnv, served: _Served) -> Iterator[Stand]:
    served.store = bench_env.new_folder() / "receiver.db"
    with ours.on_sqlite(bench_env, served.store) as stand:
        yield stand


@contextmanager
def _open_consoles(session: Session, store: Path, consoles: int) -> Iterator[None]:
    """Keep consoles open: two of three show the overview, the others the page of a task. Their process gives
    way to the one that measures. Raises BenchError if one ends.
    """
    port = session.stand.api_ports[0]
    with closing(Store(store)) as opened, opened.transaction() as connection:
        role = f"admin+numbers {session.runs}"
        cookie = f"receiver_session_{port}={add_session(connection, role)}"
        account, key = connection.execute(select(TASK.c.account, TASK.c.key).limit(1)).one()
    path = session.bench_env.new_folder() / "consoles.json"
    order: dict[str, Any] = {"url": f"http://127.0.0.1:{port}", "cookie": cookie}
    order |= {"paths": ["/console", "/console", f"/console/tasks/{account}/{quote(key, safe='')}"]}
    path.write_text(json.dumps(order | {"consoles": consoles}))
    command = ["nice", "-n", "19", sys.executable, "-m", "tests.bench.open_consoles", str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            assert process.stdin
            assert process.stdout
            if process.stdout.readline() != "open\n":
                raise BenchError("the consoles could not be opened")
            yield
            told, _ = process.communicate("", timeout=_END_S)
        finally:
            process.terminate()
    if process.returncode:
        raise BenchError("a console was closed by the receiver")
    say(f"{consoles} open consoles: {json.loads(told)}")
