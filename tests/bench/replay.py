"""`rebuild`: how fast the ledger is replayed, beside how fast hooks are taken in until all is folded."""

import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tests.bench import options
from tests.bench.bench_env import ROOT, BenchEnv, BenchError, server_cores
from tests.bench.contestants import ours
from tests.bench.figures import Figure, Goal, Spread
from tests.bench.machine import describe
from tests.bench.report import Report, say
from tests.bench.rounds import Plan, Race, Sample, Session, told

_LEAST_RATE = 100
"""Requests per second below which a run is given up."""


def rebuild(
    *,
    rounds: options.Rounds = 5,
    events: Annotated[int, typer.Option(min=100, help="Events to take in before each replay.")] = 100_000,
    connections: options.Connections = 64,
    seed: options.Seed = 1,
    folder: options.Folder = None,
    as_json: options.Json = None,
) -> None:
    """Facts folded by `receiver rebuild` per second, beside hooks taken in, read and folded per second."""
    plan = Plan(rounds, events / _LEAST_RATE, 0.5, connections, seed)
    settings = {"rounds": rounds, "events": events, "connections": connections, "seed": seed}
    samples: list[Sample] = []
    replayed: list[float] = []
    with options.bench_env(folder) as here:
        for number in range(1, rounds + 1):
            store = here.new_folder() / "receiver.db"
            with ours.on_sqlite(here, store) as stand:
                samples.append(Session(here, ours.SQLITE, stand).run(number, plan, pool=events))
            say(f"round {number} of {rounds}: taken in at {told(samples[-1])}")
            replayed.append(_replay(here, store, samples[-1].acknowledged))
            say(f"round {number} of {rounds}: replayed at {replayed[-1]:,.0f} facts/s, 0 differences")
        figures = _figures([sample.sustained or 0.0 for sample in samples], replayed)
        options.conclude(Report("rebuild", settings, describe(here), figures, Race(samples)), as_json)


def _replay(bench_env: BenchEnv, store: Path, facts: int) -> float:
    """Facts per second of the whole command. Raises BenchError if it fails, or the ledger says otherwise."""
    config = ours.write_settings(bench_env.new_folder(), str(store), 8080)
    began = time.perf_counter()
    _run(ours.command(config, "rebuild", "--json"))
    took = time.perf_counter() - began
    if differences := _run(ours.command(config, "rebuild", "--verify", "--json"))["differences"]:
        raise BenchError(f"{len(differences)} differences after the replay, such as {differences[0]}")
    return facts / took


def _run(command: Sequence[str]) -> dict[str, Any]:
    """What a command of ours printed; it has the core that `serve` had."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    if tied := server_cores(1)[0]:
        os.sched_setaffinity(process.pid, tied)
    output, problem = process.communicate(timeout=1800)
    if process.returncode not in (0, 1):
        raise BenchError(f"{command}: {problem[-1000:]}")
    result: dict[str, Any] = json.loads(output)
    return result


def _figures(taken_in: list[float], replayed: list[float]) -> list[Figure]:
    quotients = [fast / slow for fast, slow in zip(replayed, taken_in, strict=True)]
    return [
        Figure(Goal("hooks taken in, read and folded per second"), Spread.of(taken_in)),
        Figure(Goal("facts replayed per second"), Spread.of(replayed)),
        Figure(Goal("replayed ÷ taken in, read and folded", 2), Spread.of(quotients)),
    ]
