"""A year of tasks in ten queues, and the sums over them, by SQL: ten million in minutes, on both databases.

All tasks were created in office hours, as many on each day in each queue. There are no rows in `attempt`, and
so the sums have nothing of attempts. Whatever differs between tasks follows from their numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Literal, NamedTuple

from receiver.domain.calendar import HOUR_S, number_of

Dialect = Literal["sqlite", "postgresql"]

ZONE, OFFSET_S = "Europe/Moscow", 3 * HOUR_S
"""In which days are counted. Its clocks do not change."""

FIRST, LAST = date(2025, 1, 1), date(2025, 12, 31)
DAYS, QUEUES = 365, 10
LEAST = DAYS * QUEUES
"""So many tasks at least, or a queue would have days without one."""

_BLOCK = 250_000
"""Tasks written at once, or those of a day."""

_ODD = (2654435761, 2246822519, 3266489917, 668265263, 374761393, 1274126177, 2869860233, 3624381081)

_ENDS = (
    ("no_answer", "NO_ANSWER", "a", "A number: no answer"),
    ("no_answer", "ALLOTTED_TIMEOUT", "b", "B number: no answer"),
    ("busy", "USER_BUSY", "b", "B number: busy"),
    ("rejected", "CALL_REJECTED", "b", "B number: call rejected"),
    ("unavailable", "SUBSCRIBER_ABSENT", "b", "B number: subscriber unavailable"),
    ("wrong_number", "UNALLOCATED_NUMBER", "b", "B number: no such number"),
)
"""Reason, the vendor's word, leg and comment of tasks that failed."""


def statements(dialect: Dialect, tasks: int) -> Iterator[tuple[int, Sequence[str]]]:
    """(so many tasks are written, SQL that writes them and their sums), in the order of creation."""
    names = ", ".join(_columns(dialect))
    for first, last in _blocks(tasks):
        rows = f"INSERT INTO task ({names}) SELECT {names} FROM block"
        yield last - first + 1, [_block(dialect, tasks, first, last), rows, *_sums(), "DROP TABLE block"]
    calendar = f"INSERT INTO calendar (id, zone, phase, complete, turn) VALUES (1, '{ZONE}', 0, TRUE, 0)"
    yield 0, [_sums_by_day(), calendar]


def _blocks(tasks: int) -> Iterator[tuple[int, int]]:
    """First and last number of the tasks of some days: those of other days add to other sums."""
    bounds = [-(-day * tasks // DAYS) for day in range(0, DAYS, max(1, _BLOCK * DAYS // tasks))]
    for first, behind in pairwise([*bounds, tasks]):
        yield first, behind - 1


def _block(dialect: Dialect, tasks: int, first: int, last: int) -> str:
    """The rows of some tasks, and the moments of their creation and their end as whole numbers."""
    if dialect == "postgresql":
        series = f"series AS (SELECT n FROM generate_series(CAST({first} AS BIGINT), {last}) AS s (n))"
    else:
        series = f"series (n) AS (VALUES ({first}) UNION ALL SELECT n + 1 FROM series WHERE n < {last})"
    stages = {"drawn": _drawn(tasks), "ended": _ended(tasks), "tried": _TRIED, "timed": _TIMED}
    chained = ", ".join(f"{name} AS MATERIALIZED ({sql})" for name, sql in stages.items())
    values = ", ".join(f"{sql} AS {name}" for name, sql in _columns(dialect).items())
    return (
        f"CREATE TEMP TABLE block AS WITH RECURSIVE {series}, {chained} "
        f"SELECT created, over, {values} FROM timed"
    )


def _drawn(tasks: int) -> str:
    draws = ", ".join(f"(n * {odd}) & 4294967295 AS draw{place}" for place, odd in enumerate(_ODD))
    # Nine to nine by the clocks of the zone.
    second = f"(n * {DAYS} % {tasks}) * {12 * HOUR_S} / {tasks} + {9 * HOUR_S - OFFSET_S}"
    created = f"({number_of(FIRST)} + n * {DAYS} / {tasks}) * 86400 + {second}"
    return f"SELECT n, n % {QUEUES} AS place, {created} AS created, {draws} FROM series"


def _part(draw: int, parts: int) -> str:
    """A whole number below `parts`, any as often as the others."""
    return f"(draw{draw} * {parts} / 4294967296)"


def _ended(tasks: int) -> str:
    """What became of it: the newest have not ended, and more succeed in some queues than in others."""
    return (
        f"SELECT drawn.*, 2 + {_part(2, 2)} AS allowed, CASE WHEN n >= {tasks - tasks // 1000} THEN 'open' "
        f"WHEN {_part(0, 100)} = 0 THEN 'unknown' "
        f"WHEN {_part(1, 100)} < 55 + 2 * place THEN 'success' ELSE 'failed' END AS what FROM drawn"
    )


_TRIED = (
    f"SELECT ended.*, CASE WHEN what = 'failed' AND {_part(3, 5)} > 0 THEN allowed WHEN what = 'open' THEN 1 "
    f"ELSE 1 + {_part(4, 2)} END AS tries FROM ended"
)
_TIMED = (
    "SELECT tried.*, "
    f"CASE WHEN what <> 'open' THEN created + 120 + 90 * tries + {_part(5, 300)} END AS over, "
    f"CASE WHEN what <> 'open' AND {_part(6, 50)} = 0 THEN 1 ELSE 0 END AS gaps FROM tried"
)


def _columns(dialect: Dialect) -> Mapping[str, str]:
    """Column of `task` → SQL."""
    return {**_WHO, **_STATE, **_MOMENTS, **_COUNTED} | {
        "key": _ref(dialect),
        "ref": _ref(dialect),
        "cdr": f"CASE WHEN what <> 'open' THEN {_uuid(dialect)} END",
        **{name: f"CAST({sql} AS JSON)" if dialect == "postgresql" else sql for name, sql in _JSON.items()},
    }


def _hex(dialect: Dialect, number: str, digits: int) -> str:
    if dialect == "postgresql":
        return f"lpad(to_hex({number}), {digits}, '0')"
    return f"printf('%0{digits}x', {number})"


def _ref(dialect: Dialect) -> str:
    """As `new_ref` makes them."""
    parts = ("created * 1000 + n % 1000", 12), ("draw0", 8), ("draw5", 8), ("draw6 & 65535", 4)
    return " || ".join(_hex(dialect, *part) for part in parts)


def _uuid(dialect: Dialect) -> str:
    head, tail = _hex(dialect, "draw1", 8), _hex(dialect, "draw7 * 65536", 12)
    return f"{head} || '-1db4-4c7a-9c13-' || {tail}"


def _when_failed(place: int) -> str:
    """One of _ENDS."""
    cases = " ".join(f"WHEN {number} THEN '{end[place]}'" for number, end in enumerate(_ENDS))
    return f"WHEN what = 'failed' THEN CASE {_part(7, len(_ENDS))} {cases} END"


_IS_OVER = "CASE WHEN what = 'open' THEN 0 ELSE 1 END"
_IS_SUCCESS = "CASE WHEN what = 'success' THEN 1 ELSE 0 END"
_IS_DOUBLE = f"CASE WHEN {_part(3, 100)} = 0 THEN 1 ELSE 0 END"

_WHO = {
    "account": f"CASE WHEN place < {QUEUES // 2} THEN 'main' ELSE 'north' END",
    "task_id": "CAST(20000000 + n AS TEXT)",
    "claimed_id": "CAST(20000000 + n AS TEXT)",
    "queue_id": "CAST(20001 + place AS TEXT)",
    "name": "'Callback ' || n",
    "a_number": f"CAST(100 + {_part(4, 100)} AS TEXT)",
    "b_number": f"'+7916' || (1000000 + {_part(5, 9_000_000)})",
    "extension_id": f"CAST(1 + 8 * place + {_part(6, 8)} AS TEXT)",
}
_STATE = {
    "state": "CASE what WHEN 'open' THEN 'delayed' WHEN 'unknown' THEN 'gone' ELSE 'finished' END",
    "finish_result": "CASE WHEN what IN ('success', 'failed') THEN what END",
    "finish_comment": f"CASE {_when_failed(3)} WHEN what = 'success' THEN '' END",
    "reason": f"CASE {_when_failed(0)} WHEN what = 'success' THEN 'connected' WHEN what = 'unknown' "
    "THEN what END",
    "raw_reason": f"CASE {_when_failed(1)} WHEN what = 'success' THEN 'ANSWER' END",
    "failed_leg": f"CASE {_when_failed(2)} END",
    "attempts": "tries",
    "attempts_most": "tries",
    "attempts_exact": "TRUE",
    "try_count": "allowed",
    "pause": "60",
    "confidence": "CASE WHEN what = 'open' THEN 'events' ELSE 'reconciled' END",
    "gone": "(what = 'unknown')",
    "settled": "(what <> 'open')",
}
_CONNECT, _LATENESS = f"20 + 5 * {_part(4, 16)}", _part(7, 10)
_MOMENTS = {
    "created_at": "created",
    "planned_at": "created + 60",
    "first_at": "created + 0.25",
    "last_at": "CASE what WHEN 'open' THEN created + 400 WHEN 'unknown' THEN over ELSE over + 300 END",
    "finished_at": "CASE WHEN what IN ('success', 'failed') THEN over END",
    "connected_at": f"CASE WHEN what = 'success' THEN created + 60 + {_CONNECT} END",
    "connect_s": f"CASE WHEN what = 'success' THEN {_CONNECT} END",
    "lateness_s": _LATENESS,
}
_COUNTED = {
    "asks": "0",
    "hooks_expected": f"tries + {_IS_SUCCESS} + {_IS_OVER}",
    "hooks_arrived": f"tries + {_IS_SUCCESS} + {_IS_OVER} - gaps",
    "hooks_duplicate": _IS_DOUBLE,
    "hooks_late": f"CASE WHEN {_part(0, 200)} = 0 THEN 1 ELSE 0 END",
    "hooks_lost": "gaps",
    "drifts": f"CASE WHEN {_part(2, 100)} = 0 THEN 1 ELSE 0 END",
}


def _document(before: str, again: str, success: str, after: str) -> str:
    return (
        f"""'{{"before":' || {before} || ',"before_again":' || {again} """
        f"""|| ',"success":' || {success} || ',"after":' || {after} || '}}'"""
    )


_JSON = {
    "expected": _document("1", "(tries - 1)", _IS_SUCCESS, _IS_OVER),
    "arrived": _document("1", "(tries - 1)", _IS_SUCCESS, f"({_IS_OVER} - gaps)"),
    "duplicates": _document("0", "0", "0", _IS_DOUBLE),
    "lost": """CASE WHEN gaps > 0 THEN '{"after":1}' ELSE '{}' END""",
}


class _Slice(NamedTuple):
    """`value`, `where`: SQL over the tasks' rows; `counts`: by name."""

    value: str
    counts: Mapping[str, str]
    where: str = "TRUE"


_TASKS = {"tasks": "count(*)"}
_OWN = _TASKS | {
    "open": "count(*) FILTER (WHERE over IS NULL)",
    "succeeded": "count(*) FILTER (WHERE finish_result = 'success')",
    "failed": "count(*) FILTER (WHERE finish_result = 'failed')",
    "exhausted": "count(*) FILTER (WHERE finish_result = 'failed' AND attempts >= try_count)",
    "unknown": "count(*) FILTER (WHERE over IS NOT NULL AND finish_result IS NULL)",
}
_HEALTH = {
    "settled": "count(*) FILTER (WHERE settled)",
    "expected": "sum(CASE WHEN settled THEN hooks_expected ELSE 0 END)",
    "lost": "sum(hooks_lost)",
    "arrived": "sum(hooks_arrived)",
    "duplicates": "sum(hooks_duplicate)",
    "late": "sum(hooks_late)",
    "drifted": "count(*) FILTER (WHERE drifts > 0)",
}
_SLICES = {
    "all": _Slice("CAST('' AS TEXT)", _OWN | _HEALTH),
    "attempt": _Slice("attempts || '/'", _OWN),
    "reason": _Slice("reason || '/' || coalesce(failed_leg, '')", _OWN, "reason IS NOT NULL"),
    "word": _Slice("reason || '/' || coalesce(raw_reason, '')", _OWN, "reason <> 'connected'"),
    "extension": _Slice("extension_id", _OWN),
    "connect": _Slice("CAST(connect_s AS TEXT)", _TASKS, "connect_s IS NOT NULL"),
    "lateness": _Slice("CAST(lateness_s AS TEXT)", _TASKS),
}


def _sums() -> Iterator[str]:
    """What `receiver.analytics.rollup_parts` says of these tasks."""
    for basis, moment in (("created", "created"), ("finished", "over"), ("planned", "(created + 60)")):
        for name, (value, counts, where) in _SLICES.items():
            yield (
                "INSERT INTO rollup (basis, slice, hour, account, queue_id, value, retired, "
                f"{', '.join(counts)}) SELECT '{basis}', '{name}', {moment} / 3600 * 3600, account, "
                f"queue_id, {value}, FALSE, "
                f"{', '.join(counts.values())} FROM block WHERE {moment} IS NOT NULL AND {where} "
                "GROUP BY 3, 4, 5, 6"
            )


def _sums_by_day() -> str:
    names = _SLICES["all"].counts
    sums = ", ".join(f"sum({name})" for name in names)
    return (
        f"INSERT INTO rollup_day (basis, day, account, queue_id, retired, {', '.join(names)}) "
        f"SELECT basis, (hour + {OFFSET_S}) / 86400, account, queue_id, FALSE, {sums} "
        "FROM rollup WHERE slice = 'all' GROUP BY 1, 2, 3, 4"
    )
