"""`ingest`: durable requests per second, beside ceilings, what everybody writes, and peers."""

from typing import Annotated

import typer

from tests.bench.contestants import CONTESTANTS
from tests.bench.figures import INGEST, ratios
from tests.bench.machine import describe
from tests.bench.options import (
    PEERS_DEFAULT,
    ConnectionsOption,
    FolderOption,
    JsonOption,
    OnlyOption,
    PeersOption,
    RoundsOption,
    SecondsOption,
    SeedOption,
    WarmupOption,
    chosen,
    conclude,
    ground,
)
from tests.bench.report import STDOUT, Report, say
from tests.bench.rounds import Plan, race


def ingest(
    *,
    rounds: RoundsOption = 5,
    seconds: SecondsOption = 3.0,
    warmup: WarmupOption = 0.5,
    connections: ConnectionsOption = 64,
    only: OnlyOption = "",
    listing: Annotated[bool, typer.Option("--list", help="Name the contestants and stop.")] = False,
    seed: SeedOption = 1,
    folder: FolderOption = None,
    peers_dir: PeersOption = PEERS_DEFAULT,
    as_json: JsonOption = None,
) -> None:
    """Durable requests per second in a closed loop; then every acknowledged event is looked for."""
    if listing:
        for each in CONTESTANTS.values():
            STDOUT.print(f"{each.name:22} {each.about}", highlight=False)
        return
    contestants = chosen(only, list(CONTESTANTS))
    plan = Plan(rounds, seconds, warmup, connections, seed)
    with ground(folder, peers_dir) as here:
        outcome = race(here, contestants, plan, say)
        figures = ratios(outcome.samples, INGEST)
        conclude(Report("ingest", vars(plan), describe(here), figures, outcome), as_json)
