"""From samples to figures: medians and ranges; ratios per round, and then the median of those."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.rounds import Sample


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of some values, and how far they lie apart."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        kept = list(values)
        return cls(statistics.median(kept), min(kept), max(kept))


@dataclass(frozen=True, slots=True)
class Goal:
    """What is compared with what, and what it should reach. `below`: a figure that should be small."""

    name: str
    at_least: float | None = None
    aim: float | None = None
    below: bool = False

    def reached(self, value: float) -> bool | None:
        if self.at_least is None:
            return None
        return value <= self.at_least if self.below else value >= self.at_least


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of what came out."""

    goal: Goal
    value: Spread
    unit: str = ""


def by_contestant(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[sample.contestant].append(sample)
    return dict(found)


def summary(samples: Sequence[Sample]) -> dict[str, Any]:
    """One contestant's samples: rate per second, latencies in milliseconds, and what became of its events."""
    verdicts = [sample.verdict for sample in samples if sample.verdict]
    backlogs = [sample.backlog for sample in samples if sample.backlog is not None]
    sustained = [sample.sustained for sample in samples if sample.sustained is not None]
    return {
        "rate": Spread.of(sample.rate for sample in samples),
        "p50_ms": Spread.of(sample.latency_ms["p50"] for sample in samples),
        "p99_ms": Spread.of(sample.latency_ms["p99"] for sample in samples),
        "server_cpu_us": Spread.of(sample.server_cpu_us for sample in samples),
        "load_busy": Spread.of(sample.load_busy for sample in samples),
        "backlog": Spread.of(backlogs) if backlogs else None,
        "sustained": Spread.of(sustained) if sustained else None,
        "acknowledged": sum(each.acknowledged for each in verdicts) if verdicts else None,
        "stored": sum(each.stored for each in verdicts) if verdicts else None,
        "missing": sum(len(each.missing) for each in verdicts) if verdicts else None,
        "doubled": sum(len(each.doubled) for each in verdicts) if verdicts else None,
        "refused": sum(sum(sample.refused.values()) for sample in samples),
        "lost_connections": sum(sample.lost_connections for sample in samples),
    }


Pair = tuple[str, str, Goal]
"""(what, divided by what, the goal)."""

SUSTAINED = ", sustained"
"""Stands behind a contestant's name in a pair where work that was put off counts."""

INGEST: Sequence[Pair] = (
    ("receiver-sqlite", "noop", Goal("SQLite ÷ no-op route", 0.90, 1.10)),
    ("receiver-postgres", "noop", Goal("PostgreSQL ÷ no-op route", 0.90, 1.12)),
    ("receiver-sqlite" + SUSTAINED, "noop", Goal("SQLite, until all is folded ÷ no-op route", 0.38, 0.45)),
    ("receiver-postgres" + SUSTAINED, "noop", Goal("PostgreSQL, until all is folded ÷ no-op", 0.30, 0.36)),
    ("receiver-postgres-2", "receiver-postgres", Goal("PostgreSQL, two processes ÷ one")),
    ("receiver-sqlite", "checked", Goal("SQLite ÷ raw ASGI, body checked", 0.65, 0.87)),
    ("receiver-postgres", "checked", Goal("PostgreSQL ÷ raw ASGI, body checked", 0.62, 0.77)),
    ("receiver-sqlite", "plain-sqlite", Goal("SQLite ÷ commit per request", 22, 28)),
    ("receiver-postgres", "plain-postgres", Goal("PostgreSQL ÷ commit per request", 22, 28)),
    ("receiver-postgres", "stripe-sync-engine", Goal("PostgreSQL ÷ stripe-sync-engine", 4.5, 5.5)),
    ("receiver-postgres", "dj-stripe", Goal("PostgreSQL ÷ dj-stripe", 95)),
)


def ratios(samples: Iterable[Sample], pairs: Sequence[Pair]) -> list[Figure]:
    """The pairs of which both ran, compared within each round."""
    rates: dict[str, dict[int, float]] = defaultdict(dict)
    for sample in samples:
        rates[sample.contestant][sample.round] = sample.rate
        if sample.sustained is not None:
            rates[sample.contestant + SUSTAINED][sample.round] = sample.sustained
    figures = []
    for above, under, goal in pairs:
        values = _quotients(rates.get(above, {}), rates.get(under, {}))
        if values:
            figures.append(Figure(goal, Spread.of(values)))
    return figures


def _quotients(above: Mapping[int, float], under: Mapping[int, float]) -> list[float]:
    return [above[number] / under[number] for number in sorted(above.keys() & under.keys()) if under[number]]
