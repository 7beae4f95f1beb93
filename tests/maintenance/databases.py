"""Databases of both kinds, and their schemas as they report them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Inspector, create_engine, inspect
from sqlalchemy.pool import NullPool

from receiver.storage.engine import Store
from tests.postgres import fresh_database

Begin = Callable[[], AbstractContextManager[Connection]]
"""One database: opens a connection in a transaction, which is committed at its end or rolled back."""

SCHEMA_OF_0_1_0 = (Path(__file__).parent / "schema-0.1.0.sql").read_text()


def sqlite_database(path: Path) -> Begin:
    """A SQLite file, opened as the receiver opens it."""

    @contextmanager
    def begin() -> Iterator[Connection]:
        store = Store(path)
        try:
            with store.transaction() as connection:
                yield connection
        finally:
            store.close()

    return begin


def postgres_database(server: str) -> Begin:
    """A new database on that server."""
    return create_engine(fresh_database(server), poolclass=NullPool).begin


def shape(connection: Connection) -> dict[str, Any]:
    """Return the schema of every table, without the order of its columns."""
    inspector = inspect(connection)
    return {name: _table(inspector, name) for name in inspector.get_table_names()}


def _table(inspector: Inspector, name: str) -> dict[str, Any]:
    columns = {
        column["name"]: column | {"type": str(column["type"])} for column in inspector.get_columns(name)
    }
    return {
        "columns": columns,
        "primary key": inspector.get_pk_constraint(name),
        "unique": _sorted(inspector.get_unique_constraints(name)),
        "indexes": _sorted(inspector.get_indexes(name)),
        "foreign keys": _sorted(inspector.get_foreign_keys(name)),
        "checks": _sorted(inspector.get_check_constraints(name)),
    }


def _sorted(found: list[Any]) -> list[str]:
    return sorted(str(_plain(item)) for item in found)


def _plain(value: Any) -> Any:
    """Return the condition of a partial index as a text, since its objects do not compare."""
    return {key: _plain(inner) for key, inner in value.items()} if isinstance(value, dict) else str(value)
