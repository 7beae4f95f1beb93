"""Check of rollups: count tasks and attempts again into scratch tables, and subtract the current sums."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    RowMapping,
    Select,
    Table,
    create_engine,
    delete,
    literal,
    select,
    tuple_,
)
from sqlalchemy.pool import StaticPool

from receiver.analytics.rollup_parts import COUNTS
from receiver.analytics.rollups import COUNTED, Deltas, Sums, add_sums, key_names
from receiver.analytics.tables import ROLLUP, ROLLUP_DAY
from receiver.domain.calendar import Calendar
from receiver.tasks.projections import read_stored
from receiver.tasks.tables import TASK

TABLES = (ROLLUP, ROLLUP_DAY)

_read_stored = read_stored(COUNTED)

Key = tuple[Any, ...]

_PAGE, _BATCH = 2_000, 5_000
_MOST = 50_000
"""Maximum number of sums in memory before they go to the scratch file."""


@contextmanager
def scratch() -> Iterator[Connection]:
    """Yield empty tables of sums in a temporary file."""
    engine = create_engine("sqlite://", creator=_temporary, poolclass=StaticPool)
    try:
        with engine.connect() as connection:
            ROLLUP.metadata.create_all(connection, tables=list(TABLES))
            yield connection
    finally:
        engine.dispose()


def _temporary() -> sqlite3.Connection:
    # No name: SQLite's own temporary file, in memory as long as there is little in it.
    return sqlite3.connect("", check_same_thread=False)


def spill(deltas: Deltas, connection: Connection, *, all_of_it: bool = False) -> None:
    """Write the sums into the scratch tables if there are many of them."""
    if all_of_it or len(deltas.hours) > _MOST:
        deltas.write(connection)
        deltas.hours.clear()
        deltas.days.clear()


def count_again(
    connection: Connection, deltas: Deltas, into: Connection, wanted: Select[Any] | None = None
) -> int:
    """Count all tasks, or the `wanted` ones, into scratch tables. Return their number."""
    done = 0
    for account, keys in _pages(
        connection, wanted if wanted is not None else select(TASK.c.account, TASK.c.key)
    ):
        for record in _read_stored(connection, account, keys).values():
            deltas.change(account, None, record)
        spill(deltas, into)
        done += len(keys)
    spill(deltas, into, all_of_it=True)
    return done


def _pages(connection: Connection, wanted: Select[Any]) -> Iterator[tuple[str, list[str]]]:
    place = ("", "")
    key = TASK.c.account, TASK.c.key
    query = wanted.order_by(*key).limit(_PAGE)
    while rows := connection.execute(query.where(tuple_(*key) > tuple_(*map(literal, place)))).all():
        for account, some in groupby(rows, key=attrgetter("account")):
            yield account, [row.key for row in some]
        place = rows[-1].account, rows[-1].key


def subtract_current(connection: Connection, into: Connection) -> None:
    """Subtract the current sums, except those of retired tasks: the rest in the scratch tables is wrong."""
    for table in TABLES:
        _take_away(connection, into, select(table).where(table.c.retired.is_(False)), table)


def count_retired_days(connection: Connection, calendar: Calendar, into: Connection) -> None:
    """Add the differences of the days of retired tasks, which follow from their hours. An hour in which a day
    begins belongs to the day before.
    """
    retired = ROLLUP.c.retired.is_(True), ROLLUP.c.slice == "all"
    for some in _streamed(connection, select(ROLLUP).where(*retired)):
        days: Sums = {}
        for row in some:
            key = row["basis"], calendar.day(row["hour"]), row["account"], row["queue_id"], True
            there = days.get(key, [0] * len(COUNTS))
            days[key] = [number + row[name] for number, name in zip(there, COUNTS, strict=True)]
        add_sums(into, ROLLUP_DAY, days)
    _take_away(connection, into, select(ROLLUP_DAY).where(ROLLUP_DAY.c.retired.is_(True)), ROLLUP_DAY)


def _take_away(connection: Connection, into: Connection, rows: Select[Any], table: Table) -> None:
    names = key_names(table)
    for some in _streamed(connection, rows):
        less = {tuple(row[name] for name in names): [-row[name] for name in COUNTS] for row in some}
        add_sums(into, table, less)


def _streamed(connection: Connection, rows: Select[Any]) -> Iterator[Sequence[RowMapping]]:
    """Yield rows in batches."""
    return connection.execute(rows.execution_options(yield_per=_BATCH)).mappings().partitions()


def discrepancies(scratched: Connection, table: Table) -> Iterator[Sums]:
    """Yield the sums that are not 0, in batches."""
    rows = scratched.execute(select(table).where(~_is_zero(table)).order_by(*table.primary_key))
    for some in rows.mappings().partitions(_BATCH):
        yield {tuple(row[name] for name in key_names(table)): [row[name] for name in COUNTS] for row in some}


def _is_zero(table: Table) -> ColumnElement[bool]:
    return tuple_(*(table.c[name] for name in COUNTS)) == tuple_(*(literal(0) for _ in COUNTS))


def zeros(connection: Connection, table: Table) -> list[Key]:
    """Return the keys of sums that are all 0."""
    return list(map(tuple, connection.execute(select(*table.primary_key).where(_is_zero(table)))))


def drop_zeros(connection: Connection, table: Table, keys: Sequence[Key]) -> None:
    """Delete those of these sums that are still all 0."""
    if keys:
        mine = tuple_(*table.primary_key).in_(keys)
        connection.execute(delete(table).where(mine, _is_zero(table)))


def kept_row(connection: Connection, table: Table, key: Key) -> Row[Any] | None:
    """Return the current sums under this key."""
    columns: list[Column[Any]] = list(table.primary_key)
    return connection.execute(
        select(table).where(*(column == value for column, value in zip(columns, key, strict=True)))
    ).first()
