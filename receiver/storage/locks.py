"""Advisory locks of PostgreSQL, which all receivers on one database respect. SQLite has one writer anyway."""

from sqlalchemy import Connection, func, select

from receiver.storage.bulk import is_postgres

_FOLDING = 0x7265_6365_6976
"""The number of the advisory lock under which facts are folded; the same in every version."""


def lock_folding(connection: Connection) -> None:
    """From here to its end only this transaction, of all receivers, folds."""
    if is_postgres(connection):
        connection.execute(select(func.pg_advisory_xact_lock(_FOLDING)))


def try_lock_folding(connection: Connection) -> bool:
    """The same without waiting; False where another one folds."""
    return not is_postgres(connection) or bool(
        connection.scalar(select(func.pg_try_advisory_xact_lock(_FOLDING)))
    )


_APPENDING = 0x6661_6374_7300
"""The number of the advisory lock that all hold who append facts, beside each other; the same in every
version.
"""


def share_appending(connection: Connection) -> None:
    """Before facts get their numbers: until the transaction ends, nobody takes a later one for the last."""
    if is_postgres(connection):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({_APPENDING})")


def last_fact(connection: Connection) -> int | None:
    """The number of a fact up to which none is missing any more, on PostgreSQL: transactions that gave out
    numbers before have ended. It says nothing of what this transaction sees, which may be older.
    """
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_APPENDING})")
    last = "pg_sequence_last_value(pg_get_serial_sequence('fact', 'seq')::regclass)"
    return connection.exec_driver_sql(f"SELECT greatest({last}, (SELECT max(seq) FROM fact))").scalar()  # noqa: S608 - our own words
