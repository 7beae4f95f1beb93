"""The embedded store: SQLite in WAL mode, one writer."""

from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from receiver.store.backend import READERS, Backend
from receiver.store.bulk import ROWS

BUSY_S = 5.0
"""Seconds that a transaction waits for another process's, where nobody says how long."""

_CACHE_KIB = 8 * 1024
"""Pages that each connection keeps; the machine keeps the others."""


def open_backend(path: Path, patience: float | None) -> Backend:
    """The database in this file, which is made where there is none."""
    busy_s = patience or BUSY_S
    writing = _engine(path, begin="BEGIN IMMEDIATE", connections=1, busy_s=busy_s)
    return Backend(
        name=str(path),
        writing=writing,
        reading=_engine(path, begin="BEGIN", connections=READERS, busy_s=busy_s),
        appending=writing,
        append=_append,
        path=path,
    )


def _append(engine: Engine, statement: str, values: tuple[Any, ...]) -> None:
    """Straight to the driver: this is where every hook passes. The one statement is the transaction."""
    with closing(engine.raw_connection()) as pooled:
        pooled.driver_connection.execute(statement, values)  # type: ignore[union-attr]


def use_files(engine: Engine) -> None:
    """From the next transaction on, what does not fit into the cache goes into files of the system's."""
    with closing(engine.raw_connection()) as pooled:
        pooled.driver_connection.execute("PRAGMA temp_store=FILE")  # type: ignore[union-attr]


def _engine(path: Path, begin: str, connections: int, busy_s: float) -> Engine:
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
        )
        for pragma in (*pragmas, f"cache_size=-{_CACHE_KIB}", "temp_store=MEMORY"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine
