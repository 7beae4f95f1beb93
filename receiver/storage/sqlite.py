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

from receiver.storage.bulk import ROWS
from receiver.storage.connections import Backend, StaleConnections
from receiver.storage.read_pools import READERS

BUSY_S = 5.0
"""Default seconds that a transaction waits for another process."""

_WRITER_KIB, _READER_KIB = 8 * 1024, 2 * 1024
"""Page cache of a connection in KiB; the operating system caches the rest."""

_CHECK_STEPS = 100_000
"""Steps of SQLite's virtual machine between checks of the time limit: some milliseconds."""

_LOG_BYTES = 64 * 2**20
"""Bytes that the write-ahead log keeps after a checkpoint. A long read lets it grow beyond."""


def open_backend(path: Path, timeout_s: float | None) -> Backend:
    """Open the database in this file, creating it if absent."""
    busy_s, stale = timeout_s or BUSY_S, StaleConnections()
    engine = partial(_engine, path, busy_s=busy_s)
    writing = stale.watch(engine(begin="BEGIN IMMEDIATE", connections=1, cache_kib=_WRITER_KIB))
    reading = stale.watch(engine(begin="BEGIN", connections=READERS, cache_kib=_READER_KIB))

    def append(engine: Engine, statement: str, values: tuple[Any, ...]) -> None:
        # The hot path of hooks: one statement is the transaction.
        stale.append(engine, lambda driver, _: driver.execute(statement, values))

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
    driver.set_progress_handler(lambda: time.monotonic() > until, _CHECK_STEPS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


def use_files(engine: Engine) -> None:
    """Use temporary files from the next transaction on for data that exceeds the cache."""
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
        # The begin event starts transactions, as sqlite3 does not know BEGIN IMMEDIATE.
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
    """End the transaction: a closed connection keeps its locks while a cursor exists."""
    with suppress(sqlite3.Error):
        connection.rollback()
