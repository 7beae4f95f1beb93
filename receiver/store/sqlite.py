"""The embedded store: SQLite in WAL mode, one writer."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from receiver.store.backend import READERS, Arrival, Backend
from receiver.store.rows import fact_values

BUSY_S = 5.0
"""Seconds that a transaction waits for another process's, where nobody says how long."""

_CACHE_KIB = 8 * 1024
"""Pages that each connection keeps; the machine keeps the others."""

_ROWS = 64
"""Rows in one INSERT: each statement costs a hand-over between threads, more than a row does."""

_PENDING = "INSERT INTO pending (seq) SELECT seq FROM fact WHERE seq > ?"


def open_backend(path: Path, patience: float | None) -> Backend:
    """The database in this file, which is made where there is none."""
    busy_s = patience or BUSY_S
    return Backend(
        name=str(path),
        writing=_engine(path, begin="BEGIN IMMEDIATE", connections=1, busy_s=busy_s),
        reading=_engine(path, begin="BEGIN", connections=READERS, busy_s=busy_s),
        append=append,
        path=path,
    )


def append(connection: Connection, arrivals: Sequence[Arrival]) -> None:
    """See `Store.append`. There is one writer, so what is new lies behind what was the last."""
    last = connection.exec_driver_sql("SELECT max(seq) FROM fact").scalar() or 0
    for start in range(0, len(arrivals), _ROWS):
        some = arrivals[start : start + _ROWS]
        _insert(connection, "delivery", 11, [each.delivery for each in some])
        _insert(connection, _FACT_COLUMNS, 7, [fact_values(each.fact) for each in some if each.fact])
    connection.exec_driver_sql(_PENDING, (last,))


_FACT_COLUMNS = "fact (id, account, ref, task_id, kind, at, said)"


def _insert(connection: Connection, into: str, width: int, rows: Sequence[Sequence[Any]]) -> None:
    if rows:
        connection.exec_driver_sql(_insertion(into, width, len(rows)), tuple(chain.from_iterable(rows)))


@lru_cache(maxsize=4 * _ROWS)
def _insertion(into: str, width: int, rows: int) -> str:
    row = f"({', '.join('?' * width)})"
    return f"INSERT INTO {into} VALUES {', '.join([row] * rows)}"  # noqa: S608 - our own names


def _engine(path: Path, begin: str, connections: int, busy_s: float) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "cached_statements": 4 * _ROWS},
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
