"""Contribution of one task to the rollups. Pure functions of its rows.

Sums are whole numbers: they can be added and subtracted in any order and never drift.
"""

import re
from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

Basis = Literal["created", "finished", "planned", "started"]
"""The time by which something is counted: the task's creation, its end, its planned start (without a plan its
creation), or the attempt's start.
"""

Slice = Literal["all", "attempt", "reason", "extension", "connect", "lateness", "word"]

TASK_COUNTS = (
    *("tasks", "open", "succeeded", "failed", "exhausted", "unknown", "inexact", "settled"),
    *("expected", "lost", "arrived", "duplicates", "late", "drifted"),
)
ATTEMPT_COUNTS = (
    *("attempts", "under_way", "connected", "legs_known", "a_answered", "bridged"),
    *("seizures", "answers", "talks", "talk_ms"),
)
COUNTS = TASK_COUNTS + ATTEMPT_COUNTS

Counts = dict[str, int]
"""Name → number; a missing name is 0."""

Row = Mapping[str, Any]

GAPS = (30, 60, 120, 300, 900, 3600, 14_400)
"""Bounds in seconds of the classes of gaps between attempts."""

_CLASSES = ("0", *map(str, GAPS))

_DIGITS = re.compile(r"\d+")
_MOST = 100
"""Maximum length of a value, which is part of a key."""

_ENDED = ("finished", "gone")
_ONE: Counts = {"tasks": 1}


Place = tuple[Slice, str]
"""A slice and one of its values."""


class Part(NamedTuple):
    """Counts to add under a basis at `at` (epoch seconds), by place."""

    basis: Basis
    at: float
    counts_by_place: Mapping[Place, Counts]


def parts(task: Row, attempts: Iterable[Row]) -> Iterator[Part]:
    """All that one task adds: nothing where there is no `created_at`, since no rollup knew it yet, nor where
    it is no task.
    """
    if task["created_at"] is None or task["state"] == "withdrawn":
        return
    attempts_with_places = [(attempt, _places(task, attempt), _of_attempt(attempt)) for attempt in attempts]
    counts_by_place = _of_task(task)
    for _, places, counts in attempts_with_places:
        for place in places:
            _add(counts_by_place, place, counts)
    yield Part("created", task["created_at"], counts_by_place)
    planned_at = task["planned_at"] if task["planned_at"] is not None else task["created_at"]
    yield Part("planned", planned_at, counts_by_place)
    if task["state"] in _ENDED:
        yield Part("finished", task["finished_at"] or task["last_at"], counts_by_place)
    for attempt, places, counts in attempts_with_places:
        if attempt["started_at"] is not None:
            yield Part("started", attempt["started_at"], dict.fromkeys(places, counts))


def _places(task: Row, attempt: Row) -> Sequence[Place]:
    """Return the places of an attempt."""
    places: list[Place] = [("all", ""), ("attempt", f"{attempt['number']}/{gap_class(attempt['gap_s'])}")]
    if attempt["reason"] is not None:
        places.append(("reason", f"{attempt['reason']}/{attempt['failed_leg'] or ''}"))
    if task["extension_id"]:
        places.append(("extension", _clipped(task["extension_id"])))
    return places


def _add(counts_by_place: dict[Place, Counts], place: Place, counts: Counts) -> None:
    """Add counts at a place. `counts` itself is not changed."""
    current = counts_by_place.get(place)
    counts_by_place[place] = sum_of(current, counts) if current else counts


def sum_of(one: Counts, other: Counts) -> Counts:
    """Return the sum of both."""
    both = dict(one)
    for name, number in other.items():
        both[name] = both.get(name, 0) + number
    return both


def _of_task(task: Row) -> dict[Place, Counts]:
    """Return the counts of the task itself, by place."""
    own = _of_end(task)
    counts_by_place: dict[Place, Counts] = {
        ("all", ""): own | _of_health(task),
        ("attempt", f"{task['attempts']}/"): own,
    }
    if task["reason"] is not None:
        counts_by_place["reason", f"{task['reason']}/{task['failed_leg'] or ''}"] = own
        if task["reason"] != "connected":
            counts_by_place["word", f"{task['reason']}/{plain_word(task['raw_reason'])}"] = own
    if task["extension_id"]:
        counts_by_place["extension", _clipped(task["extension_id"])] = own
    if task["connect_s"] is not None:
        counts_by_place["connect", two_digits(task["connect_s"])] = _ONE
    if task["lateness_s"] is not None:
        counts_by_place["lateness", two_digits(task["lateness_s"])] = _ONE
    return counts_by_place


def _of_end(task: Row) -> Counts:
    """Return the counts of the task's end."""
    result = task["finish_result"]
    if task["state"] not in _ENDED:
        return {"tasks": 1, "open": 1}
    if result == "success":
        return {"tasks": 1, "succeeded": 1}
    if result != "failed":
        return {"tasks": 1, "unknown": 1}
    if task["try_count"] is not None and task["attempts"] >= task["try_count"]:
        return {"tasks": 1, "failed": 1, "exhausted": 1}
    return {"tasks": 1, "failed": 1}


_HEALTH = {
    "hooks_lost": "lost",
    "hooks_arrived": "arrived",
    "hooks_duplicate": "duplicates",
    "hooks_late": "late",
}


def _of_health(task: Row) -> Counts:
    """Return the counts of hooks and certainty. Expected hooks are known once the task is settled."""
    counts = {name: task[column] for column, name in _HEALTH.items() if task[column]}
    if task["state"] in _ENDED and not task["attempts_exact"]:
        counts["inexact"] = 1
    if task["settled"]:
        counts |= {"settled": 1, "expected": task["hooks_expected"]}
    if task["drifts"]:
        counts["drifted"] = 1
    return counts


def _of_attempt(attempt: Row) -> Counts:
    """Return the counts of an attempt and of the legs in its call's record: A is dialed, then B if A
    answers.
    """
    counts = {"attempts": 1}
    if attempt["connected"] is None:
        counts["under_way"] = 1
    elif attempt["connected"]:
        counts["connected"] = 1
    if attempt["a_answered"] is not None:
        counts |= _of_legs(bool(attempt["a_answered"]), attempt["b_answered"], bool(attempt["bridged"]))
        if attempt["bridged"] and attempt["talk_s"] is not None:
            counts |= {"talks": 1, "talk_ms": round(attempt["talk_s"] * 1000)}
    return counts


def _of_legs(a: bool, b: bool | None, bridged: bool) -> Counts:
    seizures = 1 if b is None else 2
    return {
        "legs_known": 1,
        "a_answered": int(a),
        "bridged": int(bridged),
        "seizures": seizures,
        "answers": int(a) + int(bool(b)),
    }


def gap_class(gap_s: float | None) -> str:
    """Return the class of a gap by its lower bound in seconds; empty if not known."""
    return "" if gap_s is None else _CLASSES[bisect(GAPS, gap_s)]


@lru_cache(maxsize=4096)
def two_digits(number: float) -> str:
    """Return a number rounded to two digits. A quantile of such numbers is the rounded exact quantile."""
    # Adding 0 makes 0 of -0, which some databases do not tell apart.
    return f"{float(f'{number:.2g}') + 0.0:g}"


@lru_cache(maxsize=4096)
def plain_word(word: str | None) -> str:
    """Return the vendor's word without its numbers."""
    return _clipped(_DIGITS.sub("#", (word or "").strip()))


def _clipped(value: str) -> str:
    return value[:_MOST]
