"""The shared store: PostgreSQL, any number of receivers on one database."""

import select
from contextlib import closing
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError

from receiver.errors import SettingsError
from receiver.store.backend import READERS, Backend

_CONNECT_S = 5
_SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg://")

_BOUNDS = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
"""The last for a receiver that freezes in a transaction: others must not wait for it as long as it does."""

_PLANS = "-c plan_cache_mode=force_custom_plan"
"""A plan that was made while a table was empty, and is kept, reads all of the table once it is full."""

_AS_WRITTEN = ("-c timezone=UTC", "-c extra_float_digits=1")
"""However the server writes moments and numbers to others: as texts, too, the latter are exact."""


def is_url(target: str) -> bool:
    """Whether a store's target names a PostgreSQL database."""
    return target.startswith(_SCHEMES)


def open_backend(target: str, patience: float | None) -> Backend:
    """The database at this URL. Raises SettingsError where it is none."""
    try:
        url = make_url(target).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise SettingsError("store: not a URL like postgresql://user@host:5432/database") from None
    reading = _engine(url, READERS, patience, "-c default_transaction_read_only=on")
    return Backend(
        name=url.set(drivername="postgresql", query={}).render_as_string(hide_password=True),
        writing=_engine(url, 1, patience),
        appending=_appending(url, patience),
        append=_append,
        claiming=_engine(url, 1, patience),
        reading=reading.execution_options(isolation_level="REPEATABLE READ"),
    )


def _append(engine: Engine, statement: str, values: tuple[Any, ...]) -> None:
    """Straight to the driver: this is where every hook passes. The one statement is the transaction. Raises
    DBAPIError, as SQLAlchemy would.
    """
    drivers_error, is_lost = engine.dialect.loaded_dbapi.Error, False
    try:
        with closing(engine.raw_connection()) as pooled:
            connection: Any = pooled.driver_connection
            try:
                connection.execute(statement.replace("?", "%s"), values)
            except drivers_error:
                if is_lost := connection.closed:
                    pooled.invalidate()
                raise
    except drivers_error as error:
        raise DBAPIError.instance(
            None, None, error, drivers_error, hide_parameters=True, connection_invalidated=is_lost
        ) from None


def _appending(url: URL, patience: float | None) -> Engine:
    """Commits each statement, and does not ask the server before each whether it is still there."""
    engine = _engine(url, 1, patience, pool_pre_ping=False, isolation_level="AUTOCOMMIT")
    event.listen(engine, "checkout", lambda connection, *_: _require_quiet(connection))
    return engine


def _require_quiet(connection: Any) -> None:
    """An idle connection has nothing to say: if it has, the server is taking its leave, or has gone.
    Raises DisconnectionError, upon which the pool opens another one.
    """
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN | select.POLLHUP)
    if poll.poll(0):
        raise DisconnectionError


def _engine(url: URL, connections: int, patience: float | None, *options: str, **how: Any) -> Engine:
    milliseconds = int((patience or 0) * 1000)
    bounds = [f"-c {name}={milliseconds}" for name in _BOUNDS if milliseconds]
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
        **{"pool_pre_ping": True, **how},
        connect_args={
            "options": " ".join([*bounds, *options, _PLANS, *_AS_WRITTEN]),
            "connect_timeout": _CONNECT_S,
            "application_name": "receiver",
            "tcp_user_timeout": 10_000,
        },
    )
