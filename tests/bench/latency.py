"""`latency`: how long an answer takes at the full rate of the connections, and at half of it."""

from collections.abc import Iterator
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
    """p99 in a closed loop, then in an open loop at half of that rate, counted from the intended times.

    Beside it that of a route which does nothing: an open loop shows each moment in which the machine is slow.
    """
    contestants = options.chosen(only, ("noop", "receiver-sqlite", "receiver-postgres"))
    plan = Plan(rounds, seconds, warmup, connections, seed)
    with options.bench_env(folder) as here:
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
    by_name = by_contestant(samples)
    ours = [name for name in by_name if not name.startswith("noop")]
    return [*(_p99(name, by_name[name]) for name in ours), *_beside_noop(ours, by_name)]


def _p99(name: str, own: list[Sample]) -> Figure:
    goal = Goal(f"p99, {name}", *_GOALS[name.endswith(_HALF)], below=True)
    return Figure(goal, Spread.of(sample.latency_ms["p99"] for sample in own), " ms")


def _beside_noop(ours: list[str], by_name: dict[str, list[Sample]]) -> Iterator[Figure]:
    """p99 ÷ that of the route that does nothing, in the same round."""
    for name in ours:
        beside = {each.round: each for each in by_name.get("noop" + _HALF * name.endswith(_HALF), ())}
        pairs = [(each, beside[each.round]) for each in by_name[name] if each.round in beside]
        if pairs:
            ratios = Spread.of(one.latency_ms["p99"] / other.latency_ms["p99"] for one, other in pairs)
            yield Figure(Goal(f"p99, {name} ÷ no-op route"), ratios)
