"""The embedded store: SQLite in WAL mode, one writer."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from receiver.storage.backend import Backend
from receiver.storage.bulk import ROWS
from receiver.storage.connections import Renewal
from receiver.storage.lanes import READERS

BUSY_S = 5.0
"""Seconds that a transaction waits for another process's, where nobody says how long."""

_WRITER_KIB, _READER_KIB = 8 * 1024, 2 * 1024
"""Pages that a connection keeps, in KiB; the machine keeps the others."""

_LOOK_EVERY = 100_000
"""Steps of SQLite's machine between two looks at the time limit: some milliseconds. Each needs Python."""
_LOG_BYTES = 64 * 2**20
"""Size of the log in bytes after a checkpoint: a long read lets it grow, and it would stay that large."""


def open_backend(path: Path, patience: float | None) -> Backend:
    """The database in this file, which is made where there is none."""
    busy_s, renewal = patience or BUSY_S, Renewal()
    engine = partial(_engine, path, busy_s=busy_s)
    writing = renewal.watch(engine(begin="BEGIN IMMEDIATE", connections=1, cache_kib=_WRITER_KIB))
    reading = renewal.watch(engine(begin="BEGIN", connections=READERS, cache_kib=_READER_KIB))

    def append(engine: Engine, statement: str, values: tuple[Any, ...]) -> None:
        # This is where every hook passes. The one statement is the transaction.
        renewal.append(engine, lambda driver, _: driver.execute(statement, values))

    return Backend(
        name=str(path),
        writing=writing,
        reading=reading,
        appending=writing,
        append=append,
        limited=_limited,
        path=path,
    )


@contextmanager
def _limited(connection: Connection, seconds: float) -> Iterator[None]:
    until = time.monotonic() + seconds
    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(lambda: time.monotonic() > until, _LOOK_EVERY)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


def use_files(engine: Engine) -> None:
    """From the next transaction on, what does not fit into the cache goes into files of the system's."""
    with closing(engine.raw_connection()) as pooled:
        pooled.driver_connection.execute("PRAGMA temp_store=FILE")  # type: ignore[union-attr]


def _engine(path: Path, *, begin: str, connections: int, busy_s: float, cache_kib: int) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "cached_statements": 4 * ROWS},
    )

    def connected(connection: Any, _record: object) -> None:
        # sqlite3's own transaction handling is off: SQLAlchemy's begin event says BEGIN, and says which.
        connection.isolation_level = None
        cursor = connection.cursor()
        pragmas = (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"busy_timeout={int(busy_s * 1000)}",
            "wal_autocheckpoint=1000",
            f"journal_size_limit={_LOG_BYTES}",
        )
        for pragma in (*pragmas, f"cache_size=-{cache_kib}", "temp_store=MEMORY"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine, "connect", connected)
    event.listen(engine, "invalidate", _let_go)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _let_go(connection: Any, _record: object, _error: object) -> None:
    """End its transaction: a closed connection keeps its locks for as long as somebody has a cursor."""
    with suppress(sqlite3.Error):
        connection.rollback()
