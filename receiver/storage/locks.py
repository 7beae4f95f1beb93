"""Advisory locks of PostgreSQL, shared by all receivers on a database. SQLite has one writer anyway."""

from sqlalchemy import Connection, func, select

from receiver.storage.bulk import is_postgres

_FOLDING = 0x7265_6365_6976
"""Number of the advisory lock of folding. It must be the same in every version."""


def lock_folding(connection: Connection) -> None:
    """Wait until this transaction is the only one that folds, of all receivers."""
    if is_postgres(connection):
        connection.execute(select(func.pg_advisory_xact_lock(_FOLDING)))


def try_lock_folding(connection: Connection) -> bool:
    """Return whether this transaction is now the only one that folds. Does not wait."""
    return not is_postgres(connection) or bool(
        connection.scalar(select(func.pg_try_advisory_xact_lock(_FOLDING)))
    )


_APPENDING = 0x6661_6374_7300
"""Number of the advisory lock that appends of facts share. It must be the same in every version."""


def share_appending(connection: Connection) -> None:
    """Make `last_fact` wait for this transaction. Call it before facts get their numbers."""
    if is_postgres(connection):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({_APPENDING})")


def last_fact(connection: Connection) -> int | None:
    """Return the number of the last fact after all earlier appends have ended, on PostgreSQL. This
    transaction's snapshot may be older.
    """
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_APPENDING})")
    last = "pg_sequence_last_value(pg_get_serial_sequence('fact', 'seq')::regclass)"
    return connection.exec_driver_sql(f"SELECT greatest({last}, (SELECT max(seq) FROM fact))").scalar()  # noqa: S608 - trusted text
