"""`strangers`: what silent and trickling connections cost the hooks beside them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

import typer

from tests.bench import options
from tests.bench.bench_env import ROOT, BenchError, load_core
from tests.bench.figures import Figure, Goal, Spread, by_contestant
from tests.bench.machine import describe
from tests.bench.report import Report, say
from tests.bench.rounds import Plan, Sample, Session, race

_BESIDE = ", strangers beside"


def strangers(
    *,
    rounds: options.Rounds = 5,
    seconds: options.Seconds = 4.0,
    warmup: options.Warmup = 1.0,
    connections: options.Connections = 64,
    silent: Annotated[int, typer.Option(min=0, help="Connections that say nothing.")] = 1_000,
    trickling: Annotated[int, typer.Option(min=0, help="Connections that send a head byte by byte.")] = 100,
    only: options.Only = "",
    seed: options.Seed = 1,
    folder: options.Folder = None,
    as_json: options.Json = None,
) -> None:
    """p99 of hooks in a closed loop, beside strangers ÷ alone."""
    contestants = options.chosen(only, ("receiver-sqlite",))
    plan = Plan(rounds, seconds, warmup, connections, seed)

    def both(session: Session, number: int, plan: Plan) -> list[Sample]:
        alone = session.run(number, plan)
        with _beside(session.stand.ports[0], silent, trickling):
            beside = session.run(number, plan)
        return [alone, replace(beside, contestant=beside.contestant + _BESIDE)]

    with options.bench_env(folder) as here:
        outcome = race(here, contestants, plan, say, both)
        figures = [
            _ratio(name, samples, by_contestant(outcome.samples)[name + _BESIDE])
            for name, samples in by_contestant(outcome.samples).items()
            if not name.endswith(_BESIDE)
        ]
        settings = vars(plan) | {"silent": silent, "trickling": trickling}
        options.conclude(Report("strangers", settings, describe(here), figures, outcome), as_json)


@contextmanager
def _beside(port: int, silent: int, trickling: int) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.bench.apps.strangers", *map(str, (port, silent, trickling))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        if (core := load_core()) is not None:
            os.sched_setaffinity(process.pid, {core})
        assert process.stdout is not None
        assert process.stderr is not None
        if process.stdout.readline() != "open\n":
            raise BenchError(f"the strangers did not get through: {process.stderr.read()[-500:]}")
        yield
        process.communicate("")


def _ratio(name: str, alone: list[Sample], beside: list[Sample]) -> Figure:
    pairs = zip(beside, alone, strict=True)
    ratios = [one.latency_ms["p99"] / other.latency_ms["p99"] for one, other in pairs]
    return Figure(Goal(f"p99 beside strangers ÷ alone, {name}", 1.5, below=True), Spread.of(ratios))
