"""What an error of a database means, by its code: SQLSTATE on PostgreSQL, the result code on SQLite. The
driver's classes do not tell it: psycopg calls a lost grant a programming error, and a value that is too large
for an index an operational one.
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
    """Whose fault an error is, and so what is to be done."""

    ROWS = "the rows will never be taken: set them aside"
    CONNECTION = "the connection is of no use: open another one and try again"
    LIMIT = "the statement took too long: try again later, or ask for less"
    STORE = "the store is in trouble: try again later, and set nothing aside"


POSTGRES: Mapping[str, Fault] = {
    "22": Fault.ROWS,  # a value of the wrong form or range
    "23": Fault.ROWS,  # a constraint
    "54": Fault.ROWS,  # too large, for example for an index
    "08": Fault.CONNECTION,  # lost; also all that PgBouncer says of its own
    "0A000": Fault.CONNECTION,  # the plan of a prepared statement is of an older schema
    "25006": Fault.CONNECTION,  # a standby, or a primary that has become one
    "25P03": Fault.CONNECTION,  # idle in a transaction for too long: the server closes the connection
    "25P04": Fault.CONNECTION,  # a transaction that took too long: the same
    "26000": Fault.CONNECTION,  # no such prepared statement: another server behind a pooler
    "42P05": Fault.CONNECTION,  # another client's prepared statement of the same name, the same
    "57014": Fault.LIMIT,  # statement_timeout
    "57P": Fault.CONNECTION,  # the server shuts down, starts, has crashed, or drops the database
    "": Fault.STORE,
}
"""Beginnings of SQLSTATEs; the longest counts."""

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
    sqlite3.SQLITE_READONLY: Fault.CONNECTION,  # stays so for as long as it is open
    sqlite3.SQLITE_INTERRUPT: Fault.LIMIT,
}
"""Primary result codes, which are the last eight bits of an extended one; all others are STORE."""

_BEFORE_THE_SERVER = (
    *("DataError", "IntegrityError", "ProgrammingError", "NotSupportedError", "InterfaceError"),
)
"""Classes of errors without a code that the driver finds in the values, before it sends them. An
InterfaceError of psycopg is about its connection.
"""


def fault_of(error: BaseException) -> Fault:
    """Whose fault an error of a driver is. `error`: as the driver raised it."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None:
            return SQLITE.get(code & 0xFF, Fault.STORE)
        return Fault.ROWS if type(error).__name__ in _BEFORE_THE_SERVER else Fault.STORE
    state: str | None = getattr(error, "sqlstate", None)
    if state is not None:
        return next(POSTGRES[state[:length]] for length in (5, 3, 2, 0) if state[:length] in POSTGRES)
    name = type(error).__name__
    return Fault.ROWS if name in _BEFORE_THE_SERVER and name != "InterfaceError" else Fault.CONNECTION


def translated_error(error: Exception) -> StoreError | None:
    """An error of SQLAlchemy or of a driver as one of ours; None where it is not about the database."""
    if isinstance(error, PoolTimeoutError):
        return StoreUnavailableError("the store is busy: no connection was free in time")
    if isinstance(error, _LOST) or type(error) is InvalidRequestError:
        return StoreUnavailableError("the connection to the store is lost")
    cause = error.orig if isinstance(error, DBAPIError) else error
    if cause is None or (isinstance(error, SQLAlchemyError) and not isinstance(error, DBAPIError)):
        return None
    # The driver's text may quote a row's values, people's numbers among them: its first line never does.
    said = str(cause).partition("\n")[0]
    is_lost = isinstance(error, DBAPIError) and error.connection_invalidated
    kind = StoreUnavailableError if is_lost else _ERRORS[fault_of(cause)]
    return kind(f"the store did not commit: {type(cause).__name__}: {said}")


_LOST = (DisconnectionError, PendingRollbackError, ResourceClosedError)
"""Of a connection that was lost, and is used once more; the pool itself says InvalidRequestError, of which
most others are subclasses.
"""

_ERRORS: Mapping[Fault, type[StoreError]] = {
    Fault.ROWS: StoreError,
    Fault.CONNECTION: StoreUnavailableError,
    Fault.LIMIT: TimeLimitError,
    Fault.STORE: StoreUnavailableError,
}
