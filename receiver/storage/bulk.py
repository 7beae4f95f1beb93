"""Many rows in one statement: a statement a row costs more than the row, on both databases."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import orjson
from sqlalchemy import ARRAY, JSON, ColumnElement, Connection, Table, any_, literal, text

from receiver.storage.connections import drivers_errors

Way = Literal["add", "once", "put", "sum"]
"""Only add rows; leave out those that are there already, by any key; write them over those with the same
primary key, unless those are the same already: a rebuild finds most of them so, and what is not written costs
neither disk nor dead rows; or add their numbers to those of the row with the same primary key.
"""

_LISTED = text("SELECT value FROM json_each(:listed)")

ROWS = 64
"""Rows in one statement on SQLite, which takes a parameter for each value."""


def is_postgres(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def among(connection: Connection, what: ColumnElement[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Whether a column has one of these values: one parameter, however many they are."""
    wanted = list(values)
    if is_postgres(connection):
        return what == any_(literal(wanted, ARRAY(what.type)))
    return what.in_(_LISTED.bindparams(listed=orjson.dumps(wanted).decode()))


def run(connection: Connection, statement: str, *values: Any) -> Any:
    """A statement that runs for every hook, straight to the driver: to build it anew would cost more than to
    run it. Each `?` stands for a value, `IN ?` for a list of texts or whole numbers.
    """
    if is_postgres(connection):
        return connection.exec_driver_sql(_on_postgres(statement), values)
    listed = tuple([orjson.dumps(each).decode() if isinstance(each, list) else each for each in values])
    return connection.exec_driver_sql(_on_sqlite(statement), listed)


def fetched(connection: Connection, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
    """The rows of a query, with `?` as in `run`, as the driver makes them: of many each costs."""
    if not is_postgres(connection):
        yield from _driver(connection).execute(query, values)
        return
    with drivers_errors(connection), _driver(connection).cursor() as cursor:
        yield from cursor.execute(_on_postgres(query), values)


def copied(connection: Connection, query: str, *values: Any) -> list[bytes]:
    """The same as lines of CSV that PostgreSQL makes."""
    statement = f"COPY ({_on_postgres(query)}) TO STDOUT (FORMAT csv)"
    driver = _driver(connection)
    # The driver writes the values into the statement, since COPY takes none.
    with drivers_errors(connection), driver.cursor() as cursor, cursor.copy(statement, values):
        return list(_sent(driver.pgconn, connection.dialect.loaded_dbapi))


def _sent(pgconn: Any, psycopg: Any) -> Iterator[bytes]:
    """What COPY sends, right from libpq: the driver's own loop takes longer than PostgreSQL."""
    while (got := pgconn.get_copy_data(0))[0] > 0:
        yield bytes(got[1])
    problem = None
    while result := pgconn.get_result():
        if result.status == psycopg.pq.ExecStatus.FATAL_ERROR:
            problem = psycopg.errors.error_from_result(result)
    if problem:
        raise problem


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


@lru_cache
def _on_postgres(statement: str) -> str:
    return statement.replace(" IN ?", " = ANY(%s)").replace("?", "%s")


@lru_cache
def _on_sqlite(statement: str) -> str:
    return statement.replace(" IN ?", " IN (SELECT value FROM json_each(?))")


def write(connection: Connection, table: Table, way: Way, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows, which all have the same names in the same order, and values that JSON has too."""
    if not rows:
        return
    names = tuple(rows[0])
    if is_postgres(connection):
        connection.exec_driver_sql(_from_json(table, way, names), (orjson.dumps(rows).decode(),))
        return
    documents = _documents(table)
    write_values(connection, table, way, names, [_values(row, documents) for row in rows])


def write_values(
    connection: Connection, table: Table, way: Way, names: tuple[str, ...], rows: Sequence[Collection[Any]]
) -> None:
    """The same of rows that are values only, none of them a document."""
    if not rows:
        return
    if is_postgres(connection):
        write(connection, table, way, [dict(zip(names, row, strict=True)) for row in rows])
        return
    insert(connection.exec_driver_sql, _into(table, names), rows, _ending(table, way, names, "IS NOT"))


def insert(
    execute: Callable[[str, tuple[Any, ...]], object],
    into: str,
    rows: Sequence[Collection[Any]],
    ending: str = "",
) -> None:
    """Rows of values on SQLite; `into` and `ending`, all our own words, stand before and behind them."""
    for start in range(0, len(rows), ROWS):
        some = rows[start : start + ROWS]
        values = [_NULL if value is None else value for row in some for value in row]
        execute(_insertion(into, len(some[0]), len(some), ending), tuple(values))


_NULL = float("nan")
"""SQLite keeps it as NULL, and its driver takes less time over a float than over None."""


@lru_cache
def _into(table: Table, names: tuple[str, ...]) -> str:
    return f"{_quoted(table.name)} ({', '.join(map(_quoted, names))})"


@lru_cache(maxsize=8 * ROWS)
def _insertion(into: str, width: int, rows: int, ending: str) -> str:
    marks = ", ".join([f"({', '.join('?' * width)})"] * rows)
    return f"INSERT INTO {into} VALUES {marks} {ending}"  # noqa: S608 - our own names


def _values(row: Mapping[str, Any], documents: Sequence[str]) -> Collection[Any]:
    if not documents:
        return row.values()
    return {**row, **{name: orjson.dumps(row[name]).decode() for name in documents}}.values()


@lru_cache
def _documents(table: Table) -> tuple[str, ...]:
    """The columns that hold JSON."""
    return tuple(each.name for each in table.c if isinstance(each.type, JSON))


@lru_cache
def _from_json(table: Table, way: Way, names: tuple[str, ...]) -> str:
    listed = ", ".join(map(_quoted, names))
    rows = f"json_populate_recordset(NULL::{_quoted(table.name)}, %s::json)"
    into, ending = _into(table, names), _ending(table, way, names, "IS DISTINCT FROM")
    return f"INSERT INTO {into} SELECT {listed} FROM {rows} {ending}"  # noqa: S608 - our own names


@lru_cache
def _ending(table: Table, way: Way, names: tuple[str, ...], differs: str) -> str:
    if way == "add":
        return ""
    if way == "once":
        return "ON CONFLICT DO NOTHING"
    keys = [each.name for each in table.primary_key]
    others = [name for name in names if name not in keys]
    conflict = f"ON CONFLICT ({', '.join(map(_quoted, keys))})"
    if way == "sum":
        mine = _quoted(table.name)
        sums = [f"{_quoted(each)} = {mine}.{_quoted(each)} + excluded.{_quoted(each)}" for each in others]
        return f"{conflict} DO UPDATE SET {', '.join(sums)}"
    changes = [f"{_quoted(name)} = {_change(table, name)}" for name in others]
    # Documents are compared as texts: PostgreSQL's `json` cannot be compared.
    documents, kept = _documents(table), [each.name for each in table.c if each.info.get("kept_while")]
    live, new = (
        ", ".join(
            f"CAST({row}.{_quoted(name)} AS TEXT)" if name in documents else f"{row}.{_quoted(name)}"
            for name in others
            if name not in kept
        )
        for row in (_quoted(table.name), "excluded")
    )
    return f"{conflict} DO UPDATE SET {', '.join(changes)} WHERE ({live}) {differs} ({new})"


def _change(table: Table, name: str) -> str:
    """What is written over a column: the new value, but some columns keep theirs while others stay the same.
    A NULL among those equals nothing, so that the new value is taken.
    """
    mine, new = f"{_quoted(table.name)}.", "excluded."
    same = [
        f"{mine}{_quoted(each)} = {new}{_quoted(each)}" for each in table.c[name].info.get("kept_while", ())
    ]
    kept = f"CASE WHEN {' AND '.join(same)} THEN {mine}{_quoted(name)} ELSE {new}{_quoted(name)} END"
    return kept if same else new + _quoted(name)


def _quoted(name: str) -> str:
    return f'"{name}"'
