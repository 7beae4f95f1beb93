"""`analytics`: success rate by day and queue over ten million tasks, beside a hundred thousand, and beside a
plain GROUP BY.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from receiver.server import tune_interpreter
from receiver.storage.engine import Store
from tests.bench import options, year_stores
from tests.bench.asking import (
    OTHER_ZONE,
    Filled,
    Groups,
    ask,
    ask_plainly,
    groups_in,
    groups_of,
    insist_on_the_same,
    number_of_rows,
    over_http,
)
from tests.bench.bench_env import BenchEnv, BenchError
from tests.bench.figures import Figure, Goal, Spread
from tests.bench.machine import describe
from tests.bench.postgres import Postgres
from tests.bench.report import Report, say
from tests.bench.rounds import Race, turns
from tests.bench.year import LEAST, ZONE

Times = dict[str, list[list[float]]]
"""Way of asking → for each round its repetitions, milliseconds."""

_SUMS, _SMALL, _HOURS, _HTTP, _PLAIN = "sums", "sums, small", "sums by the hour", "over HTTP", "plain"
_WARM = 20
"""Answers before any is measured: each of the pool's connections has its statements prepared by then."""


class Plan(NamedTuple):
    """How often. `plain_rounds`: of the plain GROUP BY, which takes seconds."""

    rounds: int
    repeats: int
    plain_rounds: int
    seed: int


class Pair(NamedTuple):
    """The two databases of one kind."""

    large: Filled
    small: Filled


def analytics(
    *,
    tasks: Annotated[int, typer.Option(min=LEAST, help="Tasks in the large database.")] = 10_000_000,
    small: Annotated[int, typer.Option(min=LEAST, help="Tasks in the small one.")] = 100_000,
    rounds: options.Rounds = 15,
    repeats: Annotated[int, typer.Option(min=1, help="Answers in a round.")] = 5,
    plain_rounds: Annotated[int, typer.Option(min=1, help="Rounds with the plain GROUP BY.")] = 3,
    seed: options.Seed = 1,
    keep: Annotated[
        Path | None, typer.Option(help="Where filled databases are kept to be used again; default: nowhere.")
    ] = None,
    folder: options.Folder = None,
    as_json: options.Json = None,
) -> None:
    """Success rate by day and queue: over many tasks ÷ over few, and a plain GROUP BY ÷ the same."""
    plan = Plan(rounds, repeats, plain_rounds, seed)
    figures: list[Figure] = []
    details: dict[str, Any] = {}
    outcome = Race()
    with options.bench_env(folder, keep=keep) as here:
        for pair in _filled(here, keep or here.folder, (tasks, small), outcome):
            times, details[pair.large.name] = _measured(here, pair, plan)
            figures += _figures(pair, times)
        settings = {"tasks": tasks, "small": small, "zone": ZONE, **plan._asdict()}
        report = Report("analytics", settings, describe(here), figures, outcome, details)
        options.conclude(report, as_json)


def _filled(bench_env: BenchEnv, folder: Path, sizes: tuple[int, int], outcome: Race) -> Iterator[Pair]:
    large, small = (Filled("SQLite", size, year_stores.on_sqlite(folder, size, say)) for size in sizes)
    yield Pair(large, small)
    if problem := Postgres.problem():
        outcome.left_out["PostgreSQL"] = problem
        return
    urls = [year_stores.on_postgres(bench_env.postgres, folder, size, say) for size in sizes]
    large, small = (Filled("PostgreSQL", size, url) for size, url in zip(sizes, urls, strict=True))
    yield Pair(large, small)


def _measured(bench_env: BenchEnv, pair: Pair, plan: Plan) -> tuple[Times, dict[str, Any]]:
    """Raises BenchError where an answer is not what is counted over the tasks."""
    times: Times = defaultdict(list)
    with closing(Store(pair.large.target)) as large, closing(Store(pair.small.target)) as small:
        truth = _checked(pair.large, large)
        if len(truth) != len(_checked(pair.small, small)):
            raise BenchError("the two databases have not the same groups")
        ways = {
            _SUMS: lambda: ask(large),
            _SMALL: lambda: ask(small),
            _HOURS: lambda: ask(large, OTHER_ZONE),
        }
        tune_interpreter()
        for work in ways.values():
            _timed(work, _WARM)
        for _, name in turns(list(ways), plan.rounds, plan.seed):
            times[name].append(_timed(ways[name], plan.repeats))
    for _ in range(plan.plain_rounds):
        times[_PLAIN].append(_timed(lambda: ask_plainly(pair.large), 1))
    with over_http(bench_env, pair.large) as get:
        insist_on_the_same(groups_in(get()), truth, f"{pair.large}, over HTTP")
        _timed(get, _WARM)
        times[_HTTP] = [_timed(get, plan.repeats) for _ in range(plan.rounds)]
    say(f"{pair.large}: " + ", ".join(f"{name} {_median(some):.1f} ms" for name, some in times.items()))
    rows = {table: number_of_rows(pair.large, table) for table in ("rollup_day", "rollup", "task")}
    return times, {"groups": len(truth), "rows": rows, "times_ms": times}


def _checked(filled: Filled, store: Store) -> Groups:
    """What a GROUP BY over the tasks says, which is what the sums say."""
    truth = ask_plainly(filled)
    for zone in (ZONE, OTHER_ZONE):
        insist_on_the_same(groups_of(ask(store, zone)), truth, f"{filled}, by {zone}")
    return truth


def _timed(work: Callable[[], object], repeats: int) -> list[float]:
    """Milliseconds of each repetition."""
    took = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        took.append(1000 * (time.perf_counter() - began))
    return took


def _median(rounds: Sequence[Sequence[float]]) -> float:
    return statistics.median(chain.from_iterable(rounds))


def _figures(pair: Pair, times: Times) -> Iterator[Figure]:
    name, tasks = pair.large.name, f"{pair.large.tasks:,} tasks"
    limit = 50.0 if name == "PostgreSQL" else None
    ratios = [
        statistics.median(one) / statistics.median(other)
        for one, other in zip(times[_SUMS], times[_SMALL], strict=True)
    ]
    yield Figure(Goal(f"{name}: {tasks} ÷ {pair.small.tasks:,}", 1.5, below=True), Spread.of(ratios))
    faster = [plain / _median(times[_SUMS]) for (plain,) in times[_PLAIN]]
    yield Figure(Goal(f"{name}: plain GROUP BY ÷ sums, {tasks}", 100), Spread.of(faster))
    for way, what in ((_SUMS, "by day and queue"), (_HTTP, "the same over HTTP")):
        took = [*chain.from_iterable(times[way])]
        yield Figure(Goal(f"{name}: {what}"), Spread.of(took), " ms")
        yield Figure(Goal(f"{name}: {what}, p95", limit, below=True), _p95(took), " ms")
    for way, what in ((_HOURS, f"by day and queue in {OTHER_ZONE}"), (_PLAIN, "plain GROUP BY")):
        yield Figure(Goal(f"{name}: {what}"), Spread.of(chain.from_iterable(times[way])), " ms")


def _p95(took: Sequence[float]) -> Spread:
    return Spread(statistics.quantiles(took, n=20, method="inclusive")[-1], min(took), max(took))
