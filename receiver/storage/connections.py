"""Connections that are of no use are thrown away, and with them all that were opened before: where a standby
has taken over an address, the others lead to the old primary, too.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, DisconnectionError

from receiver.storage.faults import Fault, fault_of

_GENERATION = "generation"


class Renewal:
    """Watches over the connections of one database. Threads may share it: to miss a loss that comes at the
    same moment only means to find the next connection of no use, too.
    """

    def __init__(self) -> None:
        self._generation = 0

    def watch(self, engine: Engine) -> Engine:
        """Have its connections thrown away when they are of no use; the same engine."""
        event.listen(engine, "handle_error", self._judge)
        event.listen(engine, "connect", self._mark)
        event.listen(engine, "checkout", self._require_current)
        return engine

    def append(self, engine: Engine, run: Callable[[Any, Any], object]) -> None:
        """Run a statement on a connection of the driver's, which is given with what is kept of it: SQLAlchemy
        costs more than the statement. Raises DBAPIError, as SQLAlchemy would.
        """
        drivers_error, is_lost = engine.dialect.loaded_dbapi.Error, False
        try:
            with closing(engine.raw_connection()) as pooled:
                try:
                    run(pooled.driver_connection, pooled.info)
                except drivers_error as error:
                    if is_lost := fault_of(error) is Fault.CONNECTION:
                        pooled.invalidate()
                        self._generation += 1
                    raise
        except drivers_error as error:
            raise DBAPIError.instance(
                None, None, error, drivers_error, hide_parameters=True, connection_invalidated=is_lost
            ) from None

    def _judge(self, context: ExceptionContext) -> None:
        # One that could not be opened says nothing of those that are open.
        if context.connection is not None and fault_of(context.original_exception) is Fault.CONNECTION:
            context.is_disconnect = True
            self._generation += 1

    def _mark(self, _connection: Any, record: Any) -> None:
        record.info[_GENERATION] = self._generation

    def _require_current(self, _connection: Any, record: Any, _pooled: Any) -> None:
        if record.info[_GENERATION] != self._generation:
            raise DisconnectionError  # upon which the pool opens another one


class InUse:
    """Which connections to a server are in use, and since when. One of them may wait for ever: a server or a
    proxy may keep it open and say nothing more, and a commit waits for a synchronous standby without limit.
    """

    def __init__(self) -> None:
        self._since: dict[Any, tuple[Any, float]] = {}

    def watch(self, engine: Engine) -> Engine:
        """Take note of its connections; the same engine."""
        event.listen(engine, "checkout", self._begin)
        event.listen(engine, "checkin", lambda _, record: self._since.pop(record, None))
        return engine

    def cut(self, seconds: float) -> None:
        """Cut those that have been in use for longer: who waits there is told that they are lost."""
        latest = time.monotonic() - seconds
        for driver, since in list(self._since.values()):
            if since <= latest:
                with suppress(Exception), socket.socket(fileno=os.dup(driver.fileno())) as line:
                    line.shutdown(socket.SHUT_RDWR)

    def _begin(self, driver: Any, record: Any, _pooled: Any) -> None:
        self._since[record] = driver, time.monotonic()


@contextmanager
def drivers_errors(connection: Connection) -> Iterator[None]:
    """Errors of statements that go straight to the driver, as SQLAlchemy would raise them."""
    drivers_error = connection.dialect.loaded_dbapi.Error
    try:
        yield
    except drivers_error as error:
        is_lost = fault_of(error) is Fault.CONNECTION
        if is_lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            None, None, error, drivers_error, hide_parameters=True, connection_invalidated=is_lost
        ) from None
