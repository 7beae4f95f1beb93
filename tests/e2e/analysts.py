"""`python -m tests.e2e.analysts`: run the demonstration, export what came out as Parquet, calculate every
measure anew from it with DuckDB, and compare: with the receiver's answers, and with what the emulator knows.

Then the same ledger once more, its tasks moved to other days of a year, so that hours, weekdays and changes
of the clocks in several zones are in it.
"""

import asyncio
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import product
from math import isclose
from pathlib import Path
from random import Random
from typing import Any

from receiver.analytics.intervals import Share
from receiver.analytics.measures import MEASURES, Measure
from receiver.analytics.query import AnalyticsQuery, Dimension
from receiver.analytics.report import MeasureReport, Value, build_report
from receiver.demo.plan import ACCOUNTS
from receiver.demo.run import DemoOptions, demonstration, run_tasks
from receiver.domain.calendar import Calendar
from receiver.domain.facts import CallRecord, Fact, HookEvent, TaskSnapshot
from receiver.ledger.fact_sql import FACT_COLUMNS, read_fact
from receiver.ledger.tables import FACT
from receiver.maintenance.schema import create_tables
from receiver.observability.logs import configure_logs
from receiver.storage.engine import Store
from receiver.tasks.tables import TASK
from tests.e2e.analysts_sql import Parquet
from tests.e2e.report import parser_of, tell
from tests.ledger.projecting import PROJECTOR, verify

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")
_YEAR_S = 365 * 86_400

BY: dict[str, tuple[tuple[Dimension, ...], ...]] = {
    "success": (
        *((), ("account", "queue"), ("day",), ("queue", "day"), ("week",), ("month",), ("hour",)),
        *(("hour", "weekday"), ("attempt",), ("queue", "attempt"), ("reason",), ("reason", "leg")),
        ("extension",),
    ),
    "attempts": (
        *((), ("queue",), ("day", "hour"), ("attempt",), ("reason", "leg"), ("leg",), ("extension",)),
    ),
    "yield": (("attempt",), ("month", "attempt")),
    "tries": ((), ("queue",), ("month",)),
    "timing": ((), ("queue",), ("weekday",)),
    "pauses": (("attempt", "gap"), ("gap",)),
    "hours": (("hour", "weekday"), ("queue", "hour")),
    "health": ((), ("queue",), ("day",)),
}
"""Measure → by what it is checked. Reasons are checked as those of `success`."""


def check(store: Store, parquet: Parquet, zones: Sequence[str]) -> tuple[int, list[str]]:
    """How many values were compared, and those that differ."""
    compared, differences = 0, []
    with store.snapshot() as connection:
        for measure, by, basis, zone in _cases(zones):
            answered = build_report(connection, measure, AnalyticsQuery(basis, Calendar(zone), by))
            name = f"{measure.name} by {','.join(by) or 'nothing'}, {basis}, {zone}"
            expected = _expected(parquet, answered)
            ours = {line.key: line.values for line in answered.lines}
            for key in sorted(ours.keys() | expected.keys()):
                mine, theirs = ours.get(key, {}), expected.get(key, {})
                if not mine and not any(map(_is_something, theirs.values())):
                    continue  # a row of nothing but zeros is not answered
                for column in sorted(mine.keys() | theirs.keys()):
                    compared += 1
                    if not _same(mine.get(column), theirs.get(column)):
                        differences.append(
                            f"{name}: {key} {column}: {mine.get(column)} / {theirs.get(column)}"
                        )
    return compared, differences


def _cases(zones: Sequence[str]) -> Iterator[tuple[Measure, tuple[Dimension, ...], Any, str]]:
    for name, some in BY.items():
        measure = MEASURES[name]
        for by, basis, zone in product(some, measure.basis, zones):
            yield measure, by, basis, zone


def _expected(parquet: Parquet, answered: MeasureReport) -> dict[tuple[str, ...], dict[str, Any]]:
    measure, query = answered.measure, answered.query
    names = [column.name for column in measure.columns]
    found = parquet.figure(measure.counts, names, query.by, query.basis, query.calendar.name)
    for each in measure.quantiles:
        spread = parquet.quantiles(each.name, query.by, query.basis, query.calendar.name)
        nothing = {f"{each.name}_n": 0, f"{each.name}_p50": None, f"{each.name}_p90": None}
        found = {key: values | spread.get(key, nothing) for key, values in found.items()}
    return found


def _is_something(value: Any) -> bool:
    return bool(value["n"] if isinstance(value, Mapping) else value)


def _same(mine: Value, theirs: Any) -> bool:
    if isinstance(mine, Share):
        return isinstance(theirs, Mapping) and all(
            _same(getattr(mine, name), theirs[name]) for name in mine._fields
        )
    if mine is None or theirs is None:
        return mine is theirs
    return isclose(float(mine), float(theirs), rel_tol=1e-9, abs_tol=1e-3 if isinstance(mine, float) else 0.0)


def against_truth(store: Store, truth: Mapping[str, Any]) -> list[str]:
    """What the figures say otherwise than what happened. Of a task that says itself that it made at least so
    many attempts, those are taken.
    """
    with store.snapshot() as connection:
        known = {row.task_id: row for row in connection.execute(TASK.select()) if row.task_id}
        answers = {
            name: build_report(connection, MEASURES[name], AnalyticsQuery("created", Calendar("UTC"), by))
            for name, by in _ASKED.items()
        }
    wrong = [problem for task in truth["tasks"] for problem in _bounds(task, known[str(task["task_id"])])]
    ours, theirs = _said(answers), _happened(truth["tasks"], known)
    wrong += [f"{name}: {ours[name]} / {theirs[name]}" for name in ours if ours[name] != theirs[name]]
    return wrong


_ASKED: dict[str, tuple[Dimension, ...]] = {
    "success": ("queue",),
    "yield": ("attempt",),
    "reasons": ("reason", "leg"),
    "timing": (),
}


def _bounds(task: Mapping[str, Any], row: Any) -> Iterator[str]:
    """How many attempts were made lies between what is said at least and at most."""
    most = row.attempts_most if row.attempts_most is not None else task["attempts"]
    if task["state"] != "gone" and not row.attempts <= task["attempts"] <= most:
        yield f"task {row.task_id}: {row.attempts} to {most} attempts / {task['attempts']}"
    if task["state"] != "gone" and row.attempts_exact and row.attempts != task["attempts"]:
        yield f"task {row.task_id}: exactly {row.attempts} attempts / {task['attempts']}"


def _said(answers: Mapping[str, MeasureReport]) -> dict[str, Any]:
    success = answers["success"].lines
    return {
        "succeeded": {line.key[0]: line.values["succeeded"] for line in success},
        "failed": {line.key[0]: line.values["failed"] for line in success},
        "unknown": sum(int(str(line.values["unknown"])) for line in success),
        "made": {line.key[0]: line.values["attempts"] for line in answers["yield"].lines},
        "connected": {line.key[0]: line.values["connected"] for line in answers["yield"].lines},
        "reasons": {
            line.key: line.values["tasks"] for line in answers["reasons"].lines if line.key[0] != "unknown"
        },
        "connects": answers["timing"].total["time_to_connect_s_n"],
    }


def _happened(tasks: Sequence[Mapping[str, Any]], known: Mapping[str, Any]) -> dict[str, Any]:
    ended = [task for task in tasks if task["state"] == "finished"]
    good = [task for task in ended if task["finish_result"] == "success"]
    bad = [task for task in ended if task["finish_result"] == "failed"]
    queues = sorted({str(task["queue_id"]) for task in tasks})
    attempts = {task["task_id"]: known[str(task["task_id"])].attempts for task in tasks}
    numbers = range(1, max(attempts.values()) + 1)
    return {
        "succeeded": {name: sum(str(task["queue_id"]) == name for task in good) for name in queues},
        "failed": {name: sum(str(task["queue_id"]) == name for task in bad) for name in queues},
        "unknown": sum(task["state"] == "gone" for task in tasks),
        "made": {str(k): sum(attempts[task["task_id"]] >= k for task in tasks) for k in numbers},
        "connected": {str(k): sum(attempts[task["task_id"]] == k for task in good) for k in numbers},
        "reasons": dict(Counter(_why(task["calls"][-1]) for task in bad)),
        "connects": len(good),
    }


def _why(call: Mapping[str, Any]) -> tuple[str, str]:
    """Why an attempt failed, and at which leg."""
    return (call["b"], "b") if call["b"] else (call["a"], "a")


def moved(facts: Sequence[Fact], rng: Random) -> list[Fact]:
    """The same facts, each task's at another time within a year."""
    shifts: dict[str, float] = {}
    key_of = {fact.task_id: fact.ref for fact in facts if fact.ref and fact.task_id}
    result = []
    for fact in facts:
        name = fact.ref or key_of.get(fact.task_id or "") or f"#{fact.task_id}"
        shift = shifts.setdefault(name, -rng.randrange(_YEAR_S // 60) * 60.0)
        result.append(
            replace(fact, id=f"moved/{fact.id}", at=fact.at + shift, payload=_shifted(fact.payload, shift))
        )
    return result


def _shifted(said: Any, shift: float) -> Any:
    names = {
        TaskSnapshot: ("start_at", "created_at"),
        CallRecord: ("init_at", "bridged_at", "hangup_at"),
        HookEvent: ("sent_at",),
    }.get(type(said), ())
    changes = {name: getattr(said, name) + shift for name in names if getattr(said, name) is not None}
    return replace(said, **changes)


def _exported(folder: Path) -> Parquet:
    for relation in ("tasks", "attempts"):
        out = folder / f"{relation}.parquet"
        out.unlink(missing_ok=True)
        command = [
            sys.executable,
            "-m",
            "receiver",
            "export",
            relation,
            "--format",
            "parquet",
            "--out",
            str(out),
        ]
        subprocess.run(command, cwd=folder, check=True, timeout=300, capture_output=True)
    return Parquet(folder)


async def _demonstrated(options: DemoOptions) -> dict[str, Any]:
    async with demonstration(options) as demo:
        await run_tasks(demo, lambda _: None)
        return await demo.truth()


def _year(folder: Path, seed: int) -> None:
    """A second ledger beside the first, its tasks spread over a year."""
    with closing(Store(folder / "receiver.db")) as store, store.snapshot() as connection:
        rows = connection.execute(FACT.select().with_only_columns(*FACT_COLUMNS)).all()
        facts = moved([read_fact(row) for row in rows], Random(seed))
    (folder / "receiver.db").rename(folder / "demo.db")
    with closing(Store(folder / "receiver.db")) as store:
        create_tables(store)
        for start in range(0, len(facts), 500):
            with store.transaction() as connection:
                PROJECTOR.record(connection, facts[start : start + 500])


def run(folder: Path, tasks: int, seed: int) -> dict[str, Any]:
    """Both rounds; the result says what differs."""
    options = DemoOptions(tasks, seed, "heavy", "mixed", 60.0, True, 0.0, folder)
    truth = asyncio.run(_demonstrated(options))
    result: dict[str, Any] = {"tasks": len(truth["tasks"]), "accounts": len(ACCOUNTS)}
    with closing(Store(folder / "receiver.db")) as store:
        result["compared"], result["differ"] = check(store, _exported(folder), ZONES[:2])
        result["differ_from_the_truth"] = against_truth(store, truth)
    _year(folder, seed)
    with closing(Store(folder / "receiver.db")) as store:
        result["compared_over_a_year"], result["differ_over_a_year"] = check(store, _exported(folder), ZONES)
        result["verify"] = len(verify(store).differences)
    return result


def main() -> int:
    """The command."""
    parser = parser_of("tests.e2e.analysts", __doc__)
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    configure_logs("console", "error")
    with tempfile.TemporaryDirectory(prefix="analysts-") as folder:
        result = run(Path(folder), options.tasks, options.seed)
    wrong = [*result["differ"], *result["differ_from_the_truth"], *result["differ_over_a_year"]]
    return tell(result, good=not wrong and not result["verify"], as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
