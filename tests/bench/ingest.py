"""`ingest`: durable requests per second, beside ceilings, what everybody writes, and peers."""

from typing import Annotated

import typer

from tests.bench import options
from tests.bench.bench_env import PEERS_DIR
from tests.bench.contestants import CONTESTANTS
from tests.bench.figures import INGEST, ratios
from tests.bench.machine import describe
from tests.bench.report import STDOUT, Report, say
from tests.bench.rounds import Plan, race


def ingest(
    *,
    rounds: options.Rounds = 5,
    seconds: options.Seconds = 3.0,
    warmup: options.Warmup = 0.5,
    connections: options.Connections = 64,
    only: options.Only = "",
    listing: Annotated[bool, typer.Option("--list", help="Name the contestants and stop.")] = False,
    seed: options.Seed = 1,
    folder: options.Folder = None,
    peers_dir: options.Peers = PEERS_DIR,
    as_json: options.Json = None,
) -> None:
    """Durable requests per second in a closed loop; then every acknowledged event is looked for."""
    if listing:
        for each in CONTESTANTS.values():
            STDOUT.print(f"{each.name:22} {each.about}", highlight=False)
        return
    contestants = options.chosen(only, list(CONTESTANTS))
    plan = Plan(rounds, seconds, warmup, connections, seed)
    with options.bench_env(folder, peers_dir) as here:
        outcome = race(here, contestants, plan, say)
        figures = ratios(outcome.samples, INGEST)
        options.conclude(Report("ingest", vars(plan), describe(here), figures, outcome), as_json)
