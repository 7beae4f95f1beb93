"""What the benchmark prints: tables for people, and the same as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.figures import Figure, Spread, by_contestant, summary
from tests.bench.rounds import Race, Sample

_WIDTH = None if Console().is_terminal else 140
STDOUT, STDERR = Console(width=_WIDTH), Console(stderr=True, width=_WIDTH)


def say(text: str) -> None:
    """Progress."""
    STDERR.print(text, highlight=False, markup=False)


@dataclass
class Report:
    """One command's result. `details`: whatever else it found, for the JSON."""

    command: str
    settings: Mapping[str, Any]
    machine: Mapping[str, Any]
    figures: Sequence[Figure] = ()
    race: Race = field(default_factory=Race)
    details: Mapping[str, Any] = field(default_factory=dict)

    def show(self) -> None:
        """Tables on standard output."""
        if self.race.samples:
            STDOUT.print(_contestants(self.command, self.race.samples))
        if self.figures:
            STDOUT.print(_figures(self.figures))
        for why, names in (("left out", self.race.left_out), ("failed", self.race.failed)):
            for name, problem in names.items():
                STDOUT.print(f"{name} {why}: {problem}", highlight=False, markup=False)
        STDOUT.print(_machine(self.machine, self.settings), highlight=False, markup=False)

    def write(self, path: Path) -> None:
        """The same as JSON."""
        document = {
            "command": self.command,
            "settings": self.settings,
            "machine": self.machine,
            "figures": [
                {"name": each.goal.name, "unit": each.unit, **asdict(each.value)}
                | {"at_least" if not each.goal.below else "at_most": each.goal.at_least, "aim": each.goal.aim}
                | {"reached": each.goal.reached(each.value.median)}
                for each in self.figures
            ],
            "contestants": {name: summary(own) for name, own in by_contestant(self.race.samples).items()},
            "samples": self.race.samples,
            "left_out": self.race.left_out,
            "failed": self.race.failed,
            "details": self.details,
        }
        path.write_text(json.dumps(document, indent=2, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)


_MEASURED = ("req/s", "min – max", "p50 ms", "p99 ms", "CPU µs", "folded/s")
_COUNTED = ("acknowledged", "stored", "missing", "doubled")


def _contestants(command: str, samples: Sequence[Sample]) -> Table:
    rounds = max(each.round for each in samples)
    table = Table(title=f"{command}: medians of {rounds} rounds", title_justify="left")
    for column in ("contestant", *_MEASURED, *_COUNTED):
        table.add_column(column, justify="left" if column == "contestant" else "right")
    for name, own in by_contestant(samples).items():
        found = summary(own)
        counts = (found[key] for key in _COUNTED)
        table.add_row(
            name,
            f"{found['rate'].median:,.0f}",
            f"{found['rate'].least:,.0f} – {found['rate'].most:,.0f}",
            f"{found['p50_ms'].median:.2f}",
            f"{found['p99_ms'].median:.2f}",
            f"{found['server_cpu_us'].median:.0f}",
            "–" if found["sustained"] is None else f"{found['sustained'].median:,.0f}",
            *("–" if count is None else f"{count:,}" for count in counts),
        )
    return table


def _figures(figures: Sequence[Figure]) -> Table:
    table = Table(title="figures", title_justify="left")
    for column in ("figure", "median", "min – max", "to reach", "aim", ""):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for each in figures:
        goal, value = each.goal, each.value
        reached = goal.reached(value.median)
        table.add_row(
            goal.name,
            f"{number(value.median)}{each.unit}",
            _range(value),
            "–" if goal.at_least is None else f"{'≤' if goal.below else '≥'} {number(goal.at_least)}",
            "–" if goal.aim is None else number(goal.aim),
            {None: "", True: "reached", False: "not reached"}[reached],
        )
    return table


def _range(value: Spread) -> str:
    return f"{number(value.least)} – {number(value.most)}"


def number(value: float) -> str:
    """With as many digits as mean something."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 20 else f"{value:.2f}"


def _machine(machine: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    postgres = machine["postgresql"]
    stores = f"SQLite {machine['sqlite']}"
    if postgres:
        stores += f", PostgreSQL {postgres['server_version']}"
    peers = "".join(f"\n{name}: {', '.join(parts)}" for name, parts in machine["peers"].items())
    chosen = ", ".join(f"{name} {value}" for name, value in settings.items())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, an fsync takes {machine['fsync_ms']} ms; "
        f"Python {machine['python']}, {stores}, {packages}{peers}\n{chosen}"
    )
