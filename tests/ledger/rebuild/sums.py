"""The analysts' sums once more, added up from the rows of `task` and `attempt` by other means: one question
to each row for each count, and the days and hours of `datetime`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from receiver.analytics.rollup_parts import COUNTS
from receiver.analytics.tables import ROLLUP, ROLLUP_DAY
from receiver.domain.calendar import date_of
from receiver.storage.engine import Store
from receiver.tasks.tables import ATTEMPT, TASK

Row = Mapping[str, Any]
Sums = dict[tuple[Any, ...], dict[str, int]]
"""What tells the sums apart → the counts that are not zero."""

OF_TASK: dict[str, Callable[[Row], int]] = {
    "tasks": lambda task: 1,
    "open": lambda task: not _has_ended(task),
    "succeeded": lambda task: _has_ended(task) and task["finish_result"] == "success",
    "failed": lambda task: _has_ended(task) and task["finish_result"] == "failed",
    "exhausted": lambda task: (
        _has_ended(task)
        and task["finish_result"] == "failed"
        and task["attempts"] >= (task["try_count"] or 1e9)
    ),
    "unknown": lambda task: _has_ended(task) and task["finish_result"] not in ("success", "failed"),
}
OF_HOOKS: dict[str, Callable[[Row], int]] = {
    "inexact": lambda task: _has_ended(task) and not task["attempts_exact"],
    "settled": lambda task: task["settled"],
    "expected": lambda task: sum(task["expected"].values()) if task["settled"] else 0,
    "lost": lambda task: sum(task["lost"].values()),
    "arrived": lambda task: sum(task["arrived"].values()),
    "duplicates": lambda task: sum(task["duplicates"].values()),
    "late": lambda task: task["hooks_late"],
    "drifted": lambda task: task["drifts"] > 0,
}
OF_ATTEMPT: dict[str, Callable[[Row], int]] = {
    "attempts": lambda attempt: 1,
    "under_way": lambda attempt: attempt["connected"] is None,
    "connected": lambda attempt: attempt["connected"] or 0,
    "legs_known": lambda attempt: attempt["a_answered"] is not None,
    "a_answered": lambda attempt: attempt["a_answered"] or 0,
    "bridged": lambda attempt: attempt["bridged"] or 0,
    "seizures": lambda attempt: sum(attempt[leg] is not None for leg in ("a_answered", "b_answered")),
    "answers": lambda attempt: sum(attempt[leg] or 0 for leg in ("a_answered", "b_answered")),
    "talks": lambda attempt: _talk_ms(attempt) is not None,
    "talk_ms": lambda attempt: _talk_ms(attempt) or 0,
}


def _has_ended(task: Row) -> bool:
    return task["state"] in ("finished", "gone")


def _talk_ms(attempt: Row) -> int | None:
    if not attempt["bridged"] or attempt["talk_s"] is None:
        return None
    return int(f"{attempt['talk_s'] * 1000:.0f}")


def _places_of_task(task: Row) -> Iterator[tuple[str, str, dict[str, Callable[[Row], int]]]]:
    """Slice, value, and what is counted there."""
    yield "all", "", OF_TASK | OF_HOOKS
    yield "attempt", f"{task['attempts']}/", OF_TASK
    if _has_ended(task):
        yield "reason", f"{task['reason']}/{task['failed_leg'] or ''}", OF_TASK
        if task["finish_result"] != "success":
            yield "word", f"{task['reason']}/{_without_numbers(task['raw_reason'] or '')}", OF_TASK
    if task["extension_id"]:
        yield "extension", task["extension_id"], OF_TASK
    for name in ("connect", "lateness"):
        if task[f"{name}_s"] is not None:
            yield name, _rounded(task[f"{name}_s"]), {"tasks": OF_TASK["tasks"]}


def _places_of_attempt(task: Row, attempt: Row) -> Iterator[tuple[str, str]]:
    yield "all", ""
    yield "attempt", f"{attempt['number']}/{_class(attempt['gap_s'])}"
    if attempt["reason"]:
        yield "reason", f"{attempt['reason']}/{attempt['failed_leg'] or ''}"
    if task["extension_id"]:
        yield "extension", task["extension_id"]


def _without_numbers(word: str) -> str:
    runs = groupby(word.strip(), key=str.isdecimal)
    return "".join("#" if is_number else "".join(run) for is_number, run in runs)


def _rounded(number: float) -> str:
    mantissa, _, exponent = f"{number:.1e}".partition("e")
    short = f"{float(mantissa) * 10.0 ** int(exponent):.6g}"
    return "0" if short == "-0" else short


def _class(gap: float | None) -> str:
    if gap is None:
        return ""
    for bound in (14_400, 3_600, 900, 300, 120, 60, 30):
        if gap >= bound:
            return str(bound)
    return "0"


def added_up(store: Store, zone: str = "UTC") -> tuple[Sums, Sums]:
    """What should be kept of the tasks that are there: by hours, and by days of the zone."""
    with store.snapshot() as connection:
        tasks = [dict(row) for row in connection.execute(select(TASK)).mappings()]
        made: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in connection.execute(select(ATTEMPT)).mappings():
            made[row["account"], row["key"]].append(dict(row))
    hours: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    days: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    clocks = ZoneInfo(zone)
    for task in tasks:
        if task["created_at"] is None:
            continue
        queue = task["account"], task["queue_id"] or ""
        attempts = made[task["account"], task["key"]]
        for basis, at, name, value, counts in _each(task, attempts):
            here = datetime.fromtimestamp(at, clocks)
            hour = int(at // 1) - here.minute * 60 - here.second
            hours[basis, name, hour, *queue, value] += counts
            if name == "all":
                days[basis, here.date(), *queue] += counts
    return _plain(hours), _plain(days)


def _each(task: Row, attempts: list[Row]) -> Iterator[tuple[str, float, str, str, Counter[str]]]:
    """Basis, moment, slice, value, and what one row adds there."""
    planned_at = task["planned_at"] if task["planned_at"] is not None else task["created_at"]
    moments = [("created", task["created_at"]), ("planned", planned_at)]
    if _has_ended(task):
        moments.append(("finished", task["finished_at"] or task["last_at"]))
    for basis, at in moments:
        for name, value, asked in _places_of_task(task):
            yield basis, at, name, value, _asked(asked, task)
        for attempt in attempts:
            for name, value in _places_of_attempt(task, attempt):
                yield basis, at, name, value, _asked(OF_ATTEMPT, attempt)
    for attempt in attempts:
        if attempt["started_at"] is not None:
            for name, value in _places_of_attempt(task, attempt):
                yield "started", attempt["started_at"], name, value, _asked(OF_ATTEMPT, attempt)


def _asked(questions: dict[str, Callable[[Row], int]], row: Row) -> Counter[str]:
    return Counter({name: int(ask(row)) for name, ask in questions.items()})


def _plain(sums: Mapping[tuple[Any, ...], Counter[str]]) -> Sums:
    return {key: dict(+counts) for key, counts in sums.items() if +counts}


def kept(store: Store, *, retired: bool = False) -> tuple[Sums, Sums]:
    """What is kept; of tasks that were deleted, with `retired`."""
    hours, days = Sums(), Sums()
    with store.snapshot() as connection:
        for row in connection.execute(select(ROLLUP).where(ROLLUP.c.retired.is_(retired))).mappings():
            names = ("basis", "slice", "hour", "account", "queue_id", "value")
            _keep(hours, tuple(row[name] for name in names), row)
        for row in connection.execute(select(ROLLUP_DAY).where(ROLLUP_DAY.c.retired.is_(retired))).mappings():
            day: date = date_of(row["day"])
            _keep(days, (row["basis"], day, row["account"], row["queue_id"]), row)
    return hours, days


def _keep(sums: Sums, key: tuple[Any, ...], row: Any) -> None:
    if counts := {name: row[name] for name in COUNTS if row[name]}:
        sums[key] = counts


def totals(*sums: Sums) -> dict[str, Counter[str]]:
    """Basis and slice → all counts of all keys together."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for some in sums:
        for key, counts in some.items():
            found["/".join(map(str, key[:2])) if isinstance(key[1], str) else key[0]].update(counts)
    return dict(found)
