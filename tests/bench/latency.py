"""`latency`: how long an answer takes at the full rate of the connections, and at half of it."""

from dataclasses import replace

from tests.bench import options
from tests.bench.figures import Figure, Goal, Spread, by_contestant
from tests.bench.machine import describe
from tests.bench.report import Report, say
from tests.bench.rounds import Plan, Sample, Session, race

_HALF = ", half rate"

_GOALS = {False: (14.0, 10.0), True: (12.0, 8.0)}
"""At half the rate or not → milliseconds to reach, and to aim at."""


def latency(
    *,
    rounds: options.Rounds = 5,
    seconds: options.Seconds = 5.0,
    warmup: options.Warmup = 1.0,
    connections: options.Connections = 64,
    only: options.Only = "",
    seed: options.Seed = 1,
    folder: options.Folder = None,
    as_json: options.Json = None,
) -> None:
    """p99 in a closed loop, then in an open loop at half of that rate, counted from the intended times."""
    contestants = options.chosen(only, ("receiver-sqlite", "receiver-postgres"))
    plan = Plan(rounds, seconds, warmup, connections, seed)
    with options.ground(folder) as here:
        outcome = race(here, contestants, plan, say, _both)
        options.conclude(
            Report("latency", vars(plan), describe(here), _figures(outcome.samples), outcome), as_json
        )


def _both(session: Session, number: int, plan: Plan) -> list[Sample]:
    full = session.run(number, plan)
    rate = full.rate / 2
    pool = int(rate * (plan.seconds + plan.warmup)) + plan.connections
    half = session.run(number, plan, rate=rate, pool=pool)
    return [full, replace(half, contestant=half.contestant + _HALF)]


def _figures(samples: list[Sample]) -> list[Figure]:
    return [
        Figure(
            Goal(f"p99, {name}", *_GOALS[name.endswith(_HALF)], below=True),
            Spread.of(sample.latency_ms["p99"] for sample in own),
            " ms",
        )
        for name, own in by_contestant(samples).items()
    ]
