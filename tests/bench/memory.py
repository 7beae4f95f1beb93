"""`memory`: what `serve` needs after so many events, and whether it grows."""

from pathlib import Path
from typing import Annotated

import typer

from tests.bench import options
from tests.bench.bench_env import BenchError
from tests.bench.contestants import CONTESTANTS
from tests.bench.figures import Figure, Goal, Spread
from tests.bench.machine import describe
from tests.bench.report import Report, say
from tests.bench.rounds import Plan, Race, Sample, Session, told

_LEAST_RATE = 100


def memory(
    *,
    events: Annotated[int, typer.Option(min=1000, help="Events in all.")] = 1_000_000,
    step: Annotated[int, typer.Option(min=100, help="Events between two readings.")] = 100_000,
    connections: options.Connections = 64,
    only: Annotated[str, typer.Option(help="receiver-sqlite or receiver-postgres.")] = "receiver-sqlite",
    seed: options.Seed = 1,
    folder: options.Folder = None,
    as_json: options.Json = None,
) -> None:
    """Resident memory of `receiver serve` after each step, and the last reading beside the first."""
    (contestant,) = options.chosen(only, ())
    plan = Plan(1, step / _LEAST_RATE, 0.5, connections, seed)
    settings = {"contestant": only, "events": events, "step": step, "connections": connections, "seed": seed}
    samples: list[Sample] = []
    readings: list[float] = []
    with options.bench_env(folder) as here:
        with CONTESTANTS[contestant.name].start(here) as stand:
            session = Session(here, contestant, stand)
            for number in range(1, events // step + 1):
                samples.append(session.run(number, plan, pool=step))
                readings.append(resident_mb(stand.pids[0]))
                say(f"{number * step:,} events: {readings[-1]:.1f} MB; {told(samples[-1])}")
        steps = {f"after {(number + 1) * step:,}": each for number, each in enumerate(readings)}
        figures = [
            Figure(Goal("resident, at most", 150, below=True), Spread.of([max(readings)]), " MB"),
            Figure(Goal("last reading ÷ first", 1.1, below=True), Spread.of([readings[-1] / readings[0]])),
        ]
        report = Report("memory", settings, describe(here), figures, Race(samples), {"resident_mb": steps})
        options.conclude(report, as_json)


def resident_mb(pid: int) -> float:
    """Raises BenchError where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    if not status.is_file():
        raise BenchError("this system does not tell the memory of a process in /proc")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
