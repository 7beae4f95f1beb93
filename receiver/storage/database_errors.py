"""The meaning of database errors by code: SQLSTATE on PostgreSQL, the result code on SQLite.

The driver's classes are misleading: to psycopg a lost grant is a ProgrammingError, and a value that is too
large for an index an OperationalError.
"""

import sqlite3
from collections.abc import Mapping
from enum import Enum

from sqlalchemy.exc import (
    DBAPIError,
    DisconnectionError,
    InvalidRequestError,
    PendingRollbackError,
    ResourceClosedError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from receiver.errors import StoreError, StoreUnavailableError, TimeLimitError


class Fault(Enum):
    """The cause of an error, and the remedy."""

    ROWS = "the store will never accept these rows: set them aside"
    CONNECTION = "the connection is broken: open another one and try again"
    LIMIT = "the statement took too long: try again later, or read less"
    STORE = "the store has failed: try again later, and set nothing aside"


POSTGRES: Mapping[str, Fault] = {
    "22": Fault.ROWS,  # a value of the wrong form or range
    "23": Fault.ROWS,  # a constraint
    "54": Fault.ROWS,  # too large, for example for an index
    "08": Fault.CONNECTION,  # lost; also PgBouncer's own errors
    "0A000": Fault.CONNECTION,  # a prepared statement was planned for an older schema
    "25006": Fault.CONNECTION,  # a standby, or a former primary
    "25P03": Fault.CONNECTION,  # idle in a transaction for too long; the server closes the connection
    "25P04": Fault.CONNECTION,  # transaction too long; the server closes the connection
    "26000": Fault.CONNECTION,  # unknown prepared statement: another server behind a pooler
    "42P05": Fault.CONNECTION,  # duplicate prepared statement: another server behind a pooler
    "57014": Fault.LIMIT,  # statement_timeout
    "57P": Fault.CONNECTION,  # shutdown, startup, crash, or a dropped database
    "": Fault.STORE,
}
"""Prefix of a SQLSTATE → fault; the longest prefix counts."""

SQLITE: Mapping[int, Fault] = {
    sqlite3.SQLITE_CONSTRAINT: Fault.ROWS,
    sqlite3.SQLITE_MISMATCH: Fault.ROWS,
    sqlite3.SQLITE_RANGE: Fault.ROWS,
    sqlite3.SQLITE_TOOBIG: Fault.ROWS,
    sqlite3.SQLITE_CANTOPEN: Fault.CONNECTION,
    sqlite3.SQLITE_CORRUPT: Fault.CONNECTION,
    sqlite3.SQLITE_IOERR: Fault.CONNECTION,
    sqlite3.SQLITE_MISUSE: Fault.CONNECTION,
    sqlite3.SQLITE_NOTADB: Fault.CONNECTION,
    sqlite3.SQLITE_READONLY: Fault.CONNECTION,  # until the connection is closed
    sqlite3.SQLITE_INTERRUPT: Fault.LIMIT,
}
"""Primary result code (the last eight bits) → fault; all others are STORE."""

_VALUE_ERRORS = ("DataError", "IntegrityError", "ProgrammingError", "NotSupportedError", "InterfaceError")
"""Classes of errors without a code that the driver raises for values before it sends them. psycopg's
InterfaceError is about its connection.
"""


def fault_of(error: BaseException) -> Fault:
    """Return the fault of an error that a driver raised."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None:
            return SQLITE.get(code & 0xFF, Fault.STORE)
        return Fault.ROWS if type(error).__name__ in _VALUE_ERRORS else Fault.STORE
    state: str | None = getattr(error, "sqlstate", None)
    if state is not None:
        return next(POSTGRES[state[:length]] for length in (5, 3, 2, 0) if state[:length] in POSTGRES)
    name = type(error).__name__
    return Fault.ROWS if name in _VALUE_ERRORS and name != "InterfaceError" else Fault.CONNECTION


def translated_error(error: Exception) -> StoreError | None:
    """Return the StoreError for an error of SQLAlchemy or a driver; None if it is not about the database."""
    if isinstance(error, PoolTimeoutError):
        return StoreUnavailableError("the store is busy: no connection was free in time")
    if isinstance(error, _LOST) or type(error) is InvalidRequestError:
        return StoreUnavailableError("the connection to the store is lost")
    cause = error.orig if isinstance(error, DBAPIError) else error
    if cause is None or (isinstance(error, SQLAlchemyError) and not isinstance(error, DBAPIError)):
        return None
    # Only the first line of the driver's text is free of values, which may be phone numbers.
    summary = str(cause).partition("\n")[0]
    is_lost = isinstance(error, DBAPIError) and error.connection_invalidated
    kind = StoreUnavailableError if is_lost else _ERRORS[fault_of(cause)]
    return kind(f"the store did not commit: {type(cause).__name__}: {summary}")


_LOST = (DisconnectionError, PendingRollbackError, ResourceClosedError)
"""Errors of a lost connection that is used again. The pool raises InvalidRequestError itself, not a subclass.
"""

_ERRORS: Mapping[Fault, type[StoreError]] = {
    Fault.ROWS: StoreError,
    Fault.CONNECTION: StoreUnavailableError,
    Fault.LIMIT: TimeLimitError,
    Fault.STORE: StoreUnavailableError,
}
