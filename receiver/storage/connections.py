"""The interface of an open database, and its broken and hanging connections."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, DisconnectionError

from receiver.storage.database_errors import Fault, fault_of

_GENERATION = "generation"


@dataclass(frozen=True, slots=True)
class Backend:
    """An open database.

    `name`: without secrets, for logs. `appending`: engine of `append`, which runs and commits one statement;
    the same as `writing` on SQLite. `claiming`: engine of transactions that lock rows while they are
    processed; None on SQLite. `limited`: sets a time limit in seconds for the statements of a connection.
    `cut`: closes connections that have been in use for more seconds; None on SQLite, where none can hang.
    """

    name: str
    writing: Engine
    reading: Engine
    appending: Engine
    append: Callable[[Engine, str, tuple[Any, ...]], None]
    limited: Callable[[Connection, float], AbstractContextManager[None]]
    claiming: Engine | None = None
    cut: Callable[[float], None] | None = None
    path: Path | None = None

    def close(self) -> None:
        """Close all connections."""
        for engine in (self.claiming, self.reading, self.appending, self.writing):
            if engine is not None:
                engine.dispose()


class StaleConnections:
    """Replaces broken connections and all that were opened before them: after a failover, older connections
    lead to the old primary, too.

    Threads share an instance without a lock. A missed update costs one more broken connection.
    """

    def __init__(self) -> None:
        self._generation = 0

    def watch(self, engine: Engine) -> Engine:
        """Watch an engine's connections and return the engine."""
        event.listen(engine, "handle_error", self._judge)
        event.listen(engine, "connect", self._mark)
        event.listen(engine, "checkout", self._require_current)
        return engine

    def append(self, engine: Engine, run: Callable[[Any, Any], object]) -> None:
        """Call `run` with a driver's connection and its `info`; SQLAlchemy would cost more than the
        statement.

        Raises DBAPIError, as SQLAlchemy would.
        """
        drivers_error = engine.dialect.loaded_dbapi.Error
        try:
            with closing(engine.raw_connection()) as pooled:
                try:
                    run(pooled.driver_connection, pooled.info)
                except drivers_error as error:
                    if _is_lost(error):
                        pooled.invalidate()
                        self._generation += 1
                    raise
        except drivers_error as error:
            raise _as_sqlalchemy(error, drivers_error) from None

    def _judge(self, context: ExceptionContext) -> None:
        # A failure to connect says nothing about open connections.
        if context.connection is not None and _is_lost(context.original_exception):
            context.is_disconnect = True
            self._generation += 1

    def _mark(self, _connection: Any, record: Any) -> None:
        record.info[_GENERATION] = self._generation

    def _require_current(self, _connection: Any, record: Any, _pooled: Any) -> None:
        if record.info[_GENERATION] != self._generation:
            raise DisconnectionError  # the pool opens another connection


class BusyConnections:
    """Connections in use and their times of checkout. A connection can hang if a server or proxy goes silent,
    or if a commit waits for a synchronous standby.
    """

    def __init__(self) -> None:
        self._since: dict[Any, tuple[Any, float]] = {}

    def watch(self, engine: Engine) -> Engine:
        """Watch an engine's connections and return the engine."""
        event.listen(engine, "checkout", self._begin)
        event.listen(engine, "checkin", lambda _, record: self._since.pop(record, None))
        return engine

    def cut(self, seconds: float) -> None:
        """Shut down the sockets of connections that have been in use for more seconds."""
        latest = time.monotonic() - seconds
        for driver, since in list(self._since.values()):
            if since <= latest:
                with suppress(Exception), socket.socket(fileno=os.dup(driver.fileno())) as line:
                    line.shutdown(socket.SHUT_RDWR)

    def _begin(self, driver: Any, record: Any, _pooled: Any) -> None:
        self._since[record] = driver, time.monotonic()


@contextmanager
def drivers_errors(connection: Connection) -> Iterator[None]:
    """Raise the driver's errors as SQLAlchemy would."""
    drivers_error = connection.dialect.loaded_dbapi.Error
    try:
        yield
    except drivers_error as error:
        if _is_lost(error):
            connection.invalidate(error)
        raise _as_sqlalchemy(error, drivers_error) from None


def _is_lost(error: BaseException) -> bool:
    return fault_of(error) is Fault.CONNECTION


def _as_sqlalchemy(error: Exception, drivers_error: type[Exception]) -> Exception:
    return DBAPIError.instance(
        None, None, error, drivers_error, hide_parameters=True, connection_invalidated=_is_lost(error)
    )
