"""A ledger of millions of facts, quickly: the product records one task, and SQL multiplies its rows.

So each row is one that intake writes, whatever columns and indexes there are: its ref, ids, calls and numbers
are replaced by others, its moments lie in the past.
"""

import json
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from receiver.domain.facts import EVENTS
from receiver.domain.hooks import REF
from tests.bench.bench_env import BenchError
from tests.bench.rounds import Say

_BLOCK = 25_000
"""Tasks in one statement."""

_FAST = ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", "cache_size=-1000000")

_MOMENT = re.compile(r"real|float|double", re.IGNORECASE)
_ID = re.compile(r"[0-9a-f]{32}")
_N = "series.n"


@dataclass(frozen=True)
class Sample:
    """What stands in the rows of the one task, and has to differ in each copy."""

    ref: str
    bodies: Sequence[dict[str, Any]]
    delivery_ids: Sequence[str]
    outcome_ids: Sequence[str]

    def replacements(self) -> dict[str, str]:
        """Text in the rows → SQL for that of copy n."""
        calls = {body["CallID"] for body in self.bodies}
        now = {int(body["EventTime"]) for body in self.bodies}
        return {
            self.ref: _other_ref(self.ref),
            **{call: _spread_uuid(call, number) for number, call in enumerate(sorted(calls))},
            **{body["EventID"]: _spread_uuid(body["EventID"], 7 + n) for n, body in enumerate(self.bodies)},
            self.bodies[0]["task_id"]: f"printf('%09d', 100000000 + {_N})",
            **{str(at): f"printf('%d', {at} - {_N} * 1000000)" for at in now},
            **{repr(at / 1e6): f"printf('%.6f', {at / 1e6!r} - {_N})" for at in now},
            **{one: _earlier_id(one, number) for number, one in enumerate(self.delivery_ids)},
            **{one: f"printf('evt_%032x', {_N} * 16 + {n})" for n, one in enumerate(self.outcome_ids)},
        }


def _spread(factor: int, add: int = 0) -> str:
    """Eight hexadecimal digits that look random; an odd factor gives each copy its own."""
    return f"printf('%08x', ({_N} * {factor} + {add}) & 4294967295)"


def _other_ref(ref: str) -> str:
    """Refs of ours begin with the time, as ids do; others lie anywhere."""
    return _earlier_id(ref, 0) if _ID.fullmatch(ref) else f"{_spread(2654435761)} || {_spread(2246822519)}"


def _spread_uuid(uuid: str, number: int) -> str:
    return f"{_spread(2654435761, 40503 * number)} || '{uuid[8:24]}' || printf('%012x', {_N} * 16 + {number})"


def _earlier_id(one: str, number: int) -> str:
    """An id begins with its milliseconds."""
    return f"printf('%012x', {int(one[:12], 16)} - {_N} * 1000) || printf('%020x', {_N} * 4 + {number})"


def multiply(path: Path, tasks: int, say: Say) -> None:
    """Copy the one task in the database at `path` until there are so many. Raises BenchError for another."""
    began = time.perf_counter()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        replacements = _sample(connection).replacements()
        for pragma in _FAST:
            connection.execute(f"PRAGMA {pragma}")
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type='index' AND sql NOT NULL"
        )
        kept = [(row["name"], row["sql"]) for row in indexes.fetchall()]
        for name, _ in kept:
            connection.execute(f"DROP INDEX {name}")
        written, before = 0, connection.total_changes
        copies = list(_copies(connection, replacements))
        # The oldest first, so that ids ascend as they do when hooks arrive.
        for last in range(tasks - 1, 0, -_BLOCK):
            block = (max(1, last - _BLOCK + 1), last)
            for sql in copies:
                connection.execute(sql, block)
            written = connection.total_changes - before
            say(f"{written:,} rows, {written / (time.perf_counter() - began):,.0f}/s")
        for _, sql in kept:
            connection.execute(sql)
        connection.execute("PRAGMA journal_mode=WAL")
    say(f"{written:,} rows and their indexes in {time.perf_counter() - began:.0f} s")


def _sample(connection: sqlite3.Connection) -> Sample:
    rows = connection.execute("SELECT id, ref, body FROM delivery ORDER BY received_at, id").fetchall()
    refs = {row["ref"] for row in rows}
    ids = [row["id"] for row in rows]
    fitting = len(rows) == len(EVENTS) and len(refs) == 1 and all(map(_ID.fullmatch, ids))
    if not fitting or not REF.fullmatch(*refs):
        raise BenchError(f"these are not the hooks of one task: {ids}")
    outcomes = [row["id"] for row in connection.execute("SELECT id FROM outcome ORDER BY seq")]
    return Sample(refs.pop(), [json.loads(row["body"]) for row in rows], ids, outcomes)


def _copies(connection: sqlite3.Connection, replacements: dict[str, str]) -> Iterator[str]:
    """For each table with rows of the task, the statement that writes those of a block of copies."""
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    )
    for table in [row["name"] for row in names.fetchall()]:
        columns = connection.execute(f"SELECT name, type, pk FROM pragma_table_info('{table}')").fetchall()
        rows = [dict(row) for row in connection.execute(f"SELECT * FROM {table}").fetchall()]
        if any(mark in str(value) for row in rows for value in row.values() for mark in replacements):
            connection.execute(f"CREATE TEMP TABLE one_{table} AS SELECT * FROM {table}")
            keys = [column["name"] for column in columns if column["pk"]]
            values = (
                "NULL"
                if [column["name"]] == keys and column["type"] == "INTEGER"
                else _value(column, rows, replacements)
                for column in columns
            )
            yield (
                "WITH RECURSIVE series(n) AS (SELECT ?2 UNION ALL SELECT n - 1 FROM series WHERE n > ?1)"
                f" INSERT INTO {table} SELECT {', '.join(values)}"
                f" FROM series CROSS JOIN one_{table} AS one"
            )


def _value(column: sqlite3.Row, rows: list[dict[str, Any]], replacements: dict[str, str]) -> str:
    """SQL for one column of a copy."""
    name, kind = column["name"], column["type"]
    if _MOMENT.search(kind) and any((row[name] or 0) > 1e9 for row in rows):
        return f"one.{name} - {_N}"
    found = [mark for mark in replacements if any(mark in _text(row[name]) for row in rows)]
    is_blob = any(isinstance(row[name], bytes) for row in rows)
    value = f"CAST(one.{name} AS TEXT)" if is_blob else f"one.{name}"
    for mark in found:
        value = f"replace({value}, '{mark}', {replacements[mark]})"
    return f"CAST({value} AS BLOB)" if is_blob and found else value if found else f"one.{name}"


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
