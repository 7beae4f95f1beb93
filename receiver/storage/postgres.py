"""The shared store: PostgreSQL, for any number of receivers, also behind PgBouncer.

A connection is a session, or leads to a pooler that gives each transaction another session. In a session,
settings are made once. Through a pooler they are sent with each transaction, and nothing is prepared.
"""

import select
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError

from receiver.errors import SettingsError
from receiver.storage.connections import Backend, BusyConnections, StaleConnections, drivers_errors
from receiver.storage.read_pools import READERS

_SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg://")
_LIKE = "postgresql://user@host:5432/database"

_CONNECT_S, _CONNECT_NEXT_S = 5, 2
"""Connect timeout in seconds, and the shorter one if the URL names several hosts."""

_DEFAULTS: Mapping[str, object] = {
    "application_name": "receiver",
    "connect_timeout": _CONNECT_S,
    # A dead server is detected in 5 s, both while we send and while we wait for an answer.
    "tcp_user_timeout": 5_000,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
}

_SEVERAL_HOSTS: Mapping[str, object] = {
    "connect_timeout": _CONNECT_NEXT_S,
    "target_session_attrs": "primary",
}

_BOUNDS = {"lock_timeout": 0.9, "statement_timeout": 1.0, "idle_in_transaction_session_timeout": 1.0}
"""Shares of the timeout. Locks have less, so that the error names the lock. The last one bounds how long a
receiver that freezes in a transaction blocks others.
"""

_AS_WRITTEN = {"timezone": "'UTC'", "extra_float_digits": "'1'"}
"""Settings for exact numbers and UTC in texts, whatever the server's defaults."""

_DURABLE = {
    "synchronous_commit": "CASE current_setting('synchronous_commit') WHEN 'remote_apply' "
    "THEN 'remote_apply' ELSE 'on' END"
}
"""Settings that make each commit durable, on a synchronous standby too, whatever the server's defaults."""

_PLANS = {"plan_cache_mode": "'force_custom_plan'"}
"""Setting against generic plans: one made for an empty table scans it all when it is full."""

_BEGIN, _BEFORE = "begin", "before"
"""Keys of a connection's `info`: the statement that begins a transaction, and the one before each append,
empty in a session.
"""


def is_url(target: str) -> bool:
    """Return whether a store's target is a PostgreSQL URL."""
    return target.startswith(_SCHEMES)


def shown(target: str) -> str:
    """Return the URL without password and options. Raises SettingsError if it is not valid."""
    given = _parameters(target)
    hosts, ports = (str(given.get(name, "")).split(",") for name in ("host", "port"))
    if len(ports) == 1:
        ports *= len(hosts)
    addresses = ",".join(f"{host}:{port}" if port else host for host, port in zip(hosts, ports, strict=False))
    user, password = given.get("user", ""), ":***" if given.get("password") else ""
    return f"postgresql://{user}{password}{'@' if user else ''}{addresses}/{given.get('dbname', '')}"


def open_backend(target: str, timeout_s: float | None) -> Backend:
    """Open the database at this URL. Raises SettingsError if it is not valid."""
    parameters = _with_defaults(_parameters(target))
    stale, busy = StaleConnections(), BusyConnections()
    bounds = (
        {name: f"'{int(timeout_s * 1000 * share)}'" for name, share in _BOUNDS.items()} if timeout_s else {}
    )
    settings = bounds | _AS_WRITTEN

    def engine(connections: int, settings: Mapping[str, str], begin: str = "BEGIN") -> Engine:
        made = _engine(parameters, connections, settings, begin)
        return busy.watch(stale.watch(made))

    def append(engine: Engine, statement: str, values: tuple[Any, ...]) -> None:
        stale.append(engine, partial(_append, statement=statement.replace("?", "%s"), values=values))

    return Backend(
        name=shown(target),
        writing=engine(1, settings),
        appending=engine(1, settings | _DURABLE),
        append=append,
        claiming=engine(1, settings),
        reading=engine(READERS, settings, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        limited=_limited,
        cut=busy.cut,
    )


def _parameters(target: str) -> dict[str, Any]:
    """Return the URL's parameters as libpq reads them; it may name several hosts."""
    from psycopg import ProgrammingError  # noqa: PLC0415 - slow to import, and SQLite does not need it
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    try:
        return conninfo_to_dict(target.replace("postgresql+psycopg://", "postgresql://", 1))
    except ProgrammingError:
        raise SettingsError(f"store: not a URL like {_LIKE}") from None


def _with_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    several = "," in f"{given.get('host', '')}{given.get('hostaddr', '')}"
    return {**_DEFAULTS, **(_SEVERAL_HOSTS if several else {}), **given}


def _append(driver: Any, info: Mapping[str, str], statement: str, values: tuple[Any, ...]) -> None:
    """Run one statement as a transaction: the hot path of hooks."""
    before = info[_BEFORE]
    if not before:
        driver.execute(statement, values)
        return
    from psycopg import ClientCursor  # noqa: PLC0415

    # Several statements in one message are one transaction with one round trip. Such a message takes no
    # parameters, so the driver writes the values into the text.
    with ClientCursor(driver) as cursor:
        cursor.execute(f"{before}; {statement}", values)


@contextmanager
def _limited(connection: Connection, seconds: float) -> Iterator[None]:
    milliseconds = f"'{int(seconds * 1000)}'"
    limits = dict.fromkeys(("statement_timeout", "idle_in_transaction_session_timeout"), milliseconds)
    connection.exec_driver_sql(_set(limits, is_local=True))
    yield


def _set(settings: Mapping[str, str], *, is_local: bool) -> str:
    """Return a statement that applies settings: name → expression."""
    calls = (f"set_config('{name}', {value}, {is_local})" for name, value in settings.items())
    return f"SELECT {', '.join(calls)}"


def _engine(
    parameters: Mapping[str, Any], connections: int, settings: Mapping[str, str], begin: str
) -> Engine:
    # Autocommit: the driver's own BEGIN would cost another round trip for the settings.
    engine = create_engine(
        URL.create("postgresql+psycopg"),
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
        connect_args={**parameters, "autocommit": True},
    )
    event.listen(engine, "connect", partial(_connected, settings=settings, begin=begin))
    event.listen(engine, "checkout", _require_quiet)
    event.listen(engine, "begin", _begun)
    return engine


def _connected(driver: Any, record: Any, settings: Mapping[str, str], begin: str) -> None:
    (session,) = driver.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    if session == driver.info.backend_pid:
        driver.execute(_set({**settings, **_PLANS}, is_local=False), prepare=False)
        record.info.update({_BEGIN: begin, _BEFORE: ""})
    else:  # a pooler reports process ids of its own
        driver.prepare_threshold = None
        local = _set(settings, is_local=True)
        record.info.update({_BEGIN: f"{begin}; {local}", _BEFORE: local})


def _begun(connection: Connection) -> None:
    with drivers_errors(connection):
        driver: Any = connection.connection.driver_connection
        driver.execute(connection.connection.info[_BEGIN], prepare=False)


def _require_quiet(driver: Any, _record: Any, _pooled: Any) -> None:
    """Raise DisconnectionError if an idle connection has data: the server is shutting down or gone. The pool
    then opens another connection.
    """
    poll = select.poll()
    poll.register(driver.pgconn.socket, select.POLLIN | select.POLLHUP)
    if poll.poll(0):
        raise DisconnectionError
