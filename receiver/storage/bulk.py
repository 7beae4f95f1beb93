"""Statements for many rows, and fast statements that go directly to the driver."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import orjson
from sqlalchemy import (
    ARRAY,
    JSON,
    BindParameter,
    ColumnElement,
    Connection,
    Dialect,
    Select,
    Table,
    any_,
    bindparam,
    literal,
    text,
)

from receiver.storage.connections import drivers_errors

Way = Literal["add", "once", "put", "sum"]
"""What happens to rows whose key exists. `add`: an error; `once`: they are skipped; `put`: they replace the
row with the same primary key if it differs, since an update without a change costs disk and dead rows; `sum`:
their numbers are added.
"""

_LISTED = text("SELECT value FROM json_each(:listed)")

ROWS = 64
"""Rows per statement on SQLite, which has one parameter per value."""


def is_postgres(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def among(connection: Connection, column: ColumnElement[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Return the condition that a column has one of the values, with a single parameter."""
    wanted = list(values)
    if is_postgres(connection):
        return column == any_(literal(wanted, ARRAY(column.type)))
    # Unique: a query may have several such conditions.
    listed: BindParameter[str] = bindparam("listed", orjson.dumps(wanted).decode(), unique=True)
    return column.in_(_LISTED.bindparams(listed))


def run(connection: Connection, statement: str, *values: Any) -> Any:
    """Run a statement of a hot path without building it. `?` stands for a value, `IN ?` for a list of texts
    or integers.
    """
    if is_postgres(connection):
        return connection.exec_driver_sql(_on_postgres(statement), values)
    given = tuple([orjson.dumps(value).decode() if isinstance(value, list) else value for value in values])
    return connection.exec_driver_sql(_on_sqlite(statement), given)


def statement_of(connection: Connection, query: Select[Any]) -> tuple[str, list[Any]]:
    """Return a query as a statement with `?` as in `run`, and its values."""
    make: Callable[..., Dialect] = type(connection.dialect)
    dialect = make(paramstyle="qmark")
    compiled = query.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    # A statement for PostgreSQL's driver has each % twice.
    text = str(compiled).replace("%", "%%") if is_postgres(connection) else str(compiled)
    return text, [compiled.params[name] for name in compiled.positiontup or ()]


def fetched(connection: Connection, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the driver's rows of a query with `?` as in `run`; SQLAlchemy's rows would cost more."""
    if not is_postgres(connection):
        yield from _driver(connection).execute(query, values)
        return
    with drivers_errors(connection), _driver(connection).cursor() as cursor:
        yield from cursor.execute(_on_postgres(query), values)


def copied(connection: Connection, query: str, *values: Any) -> list[bytes]:
    """Return the rows of a query as lines of CSV, made by PostgreSQL."""
    statement = f"COPY ({_on_postgres(query)}) TO STDOUT (FORMAT csv)"
    driver = _driver(connection)
    # COPY takes no parameters, so the driver writes the values into the statement.
    with drivers_errors(connection), driver.cursor() as cursor, cursor.copy(statement, values):
        return list(_copy_data(driver.pgconn, connection.dialect.loaded_dbapi))


def _copy_data(pgconn: Any, psycopg: Any) -> Iterator[bytes]:
    """Yield the data of COPY from libpq; the driver's own loop is slower than PostgreSQL."""
    while (data := pgconn.get_copy_data(0))[0] > 0:
        yield bytes(data[1])
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
    """Write rows with the same names in the same order, and values that JSON can hold."""
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
    """Write rows given as values only, without JSON columns."""
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
    """Insert rows of values on SQLite. `into`, `ending`: SQL before and after the values; trusted text."""
    for start in range(0, len(rows), ROWS):
        chunk = rows[start : start + ROWS]
        values = [_NULL if value is None else value for row in chunk for value in row]
        execute(_insertion(into, len(chunk[0]), len(chunk), ending), tuple(values))


_NULL = float("nan")
"""A float that SQLite stores as NULL; its driver binds floats faster than None."""


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
    """Return the names of the JSON columns."""
    return tuple(column.name for column in table.c if isinstance(column.type, JSON))


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
    keys = [column.name for column in table.primary_key]
    others = [name for name in names if name not in keys]
    conflict = f"ON CONFLICT ({', '.join(map(_quoted, keys))})"
    if way == "sum":
        row = _quoted(table.name)
        sums = [f"{_quoted(name)} = {row}.{_quoted(name)} + excluded.{_quoted(name)}" for name in others]
        return f"{conflict} DO UPDATE SET {', '.join(sums)}"
    changes = [f"{_quoted(name)} = {_change(table, name)}" for name in others]
    # JSON is compared as text, since PostgreSQL cannot compare `json`.
    documents, kept = _documents(table), [column.name for column in table.c if column.info.get("kept_while")]
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
    """Return the new value of a column. A column with `kept_while` keeps its old value while those columns
    are unchanged and not NULL.
    """
    old, new, column = f"{_quoted(table.name)}.", "excluded.", _quoted(name)
    others = map(_quoted, table.c[name].info.get("kept_while", ()))
    unchanged = " AND ".join(f"{old}{other} = {new}{other}" for other in others)
    return f"CASE WHEN {unchanged} THEN {old}{column} ELSE {new}{column} END" if unchanged else new + column


def _quoted(name: str) -> str:
    return f'"{name}"'
