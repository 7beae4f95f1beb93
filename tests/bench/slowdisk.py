"""`fsync`: the same race on a slower disk, made so by a shim in front of fsync and fdatasync."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import which
from typing import Annotated

import typer

from tests.bench import options
from tests.bench.bench_env import ROOT, BenchEnv, BenchError
from tests.bench.contestants import ours, plain
from tests.bench.contestants.contestant import Contestant, Stand
from tests.bench.figures import Goal, Pair, ratios
from tests.bench.machine import describe
from tests.bench.report import Report, say
from tests.bench.rounds import Plan, race

_SOURCE = ROOT / "tests" / "bench" / "apps" / "slow_fsync.c"
_PROBE = (
    "from pathlib import Path; from tests.bench.machine import fsync_ms; print(fsync_ms(Path('{folder}')))"
)


def fsync(
    *,
    rounds: options.Rounds = 5,
    seconds: options.Seconds = 3.0,
    warmup: options.Warmup = 0.5,
    connections: options.Connections = 64,
    add_ms: Annotated[str, typer.Option(help="Milliseconds to add, with commas between.")] = "1,5",
    seed: options.Seed = 1,
    folder: options.Folder = None,
    as_json: options.Json = None,
) -> None:
    """Our SQLite against a commit per request, with milliseconds added to each fsync."""
    plan = Plan(rounds, seconds, warmup, connections, seed)
    if which("cc") is None or not sys.platform.startswith("linux"):
        say("left out: this needs cc and LD_PRELOAD, to slow fsync down")
        raise typer.Exit(0)
    delays = [float(text) for text in add_ms.split(",")]
    with options.bench_env(folder) as here:
        shim = _compile(here.new_folder())
        for delay in delays:
            _insist_that_it_works(here, _environment(shim, delay), delay)
        slowed = [_slowed(each, shim, delay) for delay in delays for each in (ours.SQLITE, plain.SQLITE)]
        outcome = race(here, slowed, plan, say)
        figures = ratios(outcome.samples, [_pair(delay) for delay in delays])
        options.conclude(Report("fsync", vars(plan), describe(here), figures, outcome), as_json)


def _pair(delay_ms: float) -> Pair:
    goal = Goal(f"÷ commit per request, fsync +{delay_ms:g} ms", 25 if delay_ms >= 5 else None)
    return _name(ours.SQLITE, delay_ms), _name(plain.SQLITE, delay_ms), goal


def _compile(folder: Path) -> Path:
    shim = folder / "slow_fsync.so"
    done = subprocess.run(
        ["cc", "-shared", "-fPIC", "-O2", "-o", str(shim), str(_SOURCE), "-ldl"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"cc: {done.stderr}")
    return shim


def _environment(shim: Path, delay_ms: float) -> dict[str, str]:
    return {"LD_PRELOAD": str(shim), "BENCH_FSYNC_US": str(int(1000 * delay_ms))}


def _insist_that_it_works(bench_env: BenchEnv, environment: dict[str, str], delay_ms: float) -> None:
    """Raises BenchError unless an fsync takes that long in a process with the shim."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE.format(folder=bench_env.new_folder())],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=True,
    )
    took = float(done.stdout)
    say(f"an fsync with {delay_ms:g} ms added takes {took:.2f} ms")
    if took < delay_ms:
        raise BenchError("the shim does not slow fsync down")


def _name(contestant: Contestant, delay_ms: float) -> str:
    return f"{contestant.name} +{delay_ms:g} ms"


def _slowed(contestant: Contestant, shim: Path, delay_ms: float) -> Contestant:
    @contextmanager
    def start(environment: dict[str, str], bench_env: BenchEnv) -> Iterator[Stand]:
        with contestant.start(replace(bench_env, environment=environment)) as stand:
            yield stand

    slow = partial(start, _environment(shim, delay_ms))
    return replace(contestant, name=_name(contestant, delay_ms), start=slow)
