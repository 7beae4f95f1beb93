"""The shared store: PostgreSQL, any number of receivers on one database, also behind PgBouncer.

A connection is a session's, or a pooler's that gives each transaction another session. Which one it is shows
when it is opened. In a session settings are made once; through a pooler they go with each transaction, and
nothing is prepared.
"""

import select
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError

from receiver.errors import SettingsError
from receiver.storage.backend import Backend
from receiver.storage.connections import InUse, Renewal, drivers_errors
from receiver.storage.lanes import READERS

_SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg://")
_LIKE = "postgresql://user@host:5432/database"

_CONNECT_S, _CONNECT_NEXT_S = 5, 2
"""Seconds for which a server may be silent; where there are others to try they are fewer."""

_DEFAULTS: Mapping[str, object] = {
    "application_name": "receiver",
    "connect_timeout": _CONNECT_S,
    # A server that has gone without a word is found out in five seconds, whether we wait for it to take what
    # we say or to answer.
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
"""Shares of the patience. Less for locks, so that it is known what was waited for. The last is for a receiver
that freezes in a transaction: others must not wait for it as long as it does.
"""

_AS_WRITTEN = {"timezone": "'UTC'", "extra_float_digits": "'1'"}
"""However the server writes moments and numbers to others: as texts, too, the latter are exact."""

_DURABLE = {
    "synchronous_commit": "CASE current_setting('synchronous_commit') WHEN 'remote_apply' "
    "THEN 'remote_apply' ELSE 'on' END"
}
"""What was acknowledged is on disk, here and on a synchronous standby, whatever role and database say."""

_PLANS = {"plan_cache_mode": "'force_custom_plan'"}
"""A plan that was made while a table was empty, and is kept, reads all of the table once it is full."""

_BEGIN, _BEFORE = "begin", "before"
"""What is kept of a connection: the statement that begins a transaction, and what goes before each append,
nothing in a session.
"""


def is_url(target: str) -> bool:
    """Whether a store's target names a PostgreSQL database."""
    return target.startswith(_SCHEMES)


def shown(target: str) -> str:
    """The URL without its password and options. Raises SettingsError where it is none."""
    given = _parameters(target)
    hosts, ports = (str(given.get(name, "")).split(",") for name in ("host", "port"))
    if len(ports) == 1:
        ports *= len(hosts)
    places = ",".join(f"{host}:{port}" if port else host for host, port in zip(hosts, ports, strict=False))
    user, password = given.get("user", ""), ":***" if given.get("password") else ""
    return f"postgresql://{user}{password}{'@' if user else ''}{places}/{given.get('dbname', '')}"


def open_backend(target: str, patience: float | None) -> Backend:
    """The database at this URL. Raises SettingsError where it is none."""
    parameters = _with_defaults(_parameters(target))
    renewal, in_use = Renewal(), InUse()
    bounds = (
        {name: f"'{int(patience * 1000 * share)}'" for name, share in _BOUNDS.items()} if patience else {}
    )
    settings = bounds | _AS_WRITTEN

    def engine(connections: int, settings: Mapping[str, str], begin: str = "BEGIN") -> Engine:
        made = _engine(parameters, connections, settings, begin)
        return in_use.watch(renewal.watch(made))

    def append(engine: Engine, statement: str, values: tuple[Any, ...]) -> None:
        renewal.append(engine, partial(_append, statement=statement.replace("?", "%s"), values=values))

    return Backend(
        name=shown(target),
        writing=engine(1, settings),
        appending=engine(1, settings | _DURABLE),
        append=append,
        claiming=engine(1, settings),
        reading=engine(READERS, settings, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        limited=_limited,
        cut=in_use.cut,
    )


def _parameters(target: str) -> dict[str, Any]:
    """What the URL says, as libpq reads it: it may name several hosts."""
    from psycopg import ProgrammingError  # noqa: PLC0415 - takes long to import, and SQLite needs it not
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    try:
        return conninfo_to_dict(target.replace("postgresql+psycopg://", "postgresql://", 1))
    except ProgrammingError:
        raise SettingsError(f"store: not a URL like {_LIKE}") from None


def _with_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    several = "," in f"{given.get('host', '')}{given.get('hostaddr', '')}"
    return {**_DEFAULTS, **(_SEVERAL_HOSTS if several else {}), **given}


def _append(driver: Any, kept: Mapping[str, str], statement: str, values: tuple[Any, ...]) -> None:
    """This is where every hook passes. The one statement is the transaction."""
    before = kept[_BEFORE]
    if not before:
        driver.execute(statement, values)
        return
    from psycopg import ClientCursor  # noqa: PLC0415

    # Several statements in one message are one transaction, and need one round trip. They take no values, so
    # the driver writes them into the text.
    with ClientCursor(driver) as cursor:
        cursor.execute(f"{before}; {statement}", values)


@contextmanager
def _limited(connection: Connection, seconds: float) -> Iterator[None]:
    milliseconds = f"'{int(seconds * 1000)}'"
    limits = dict.fromkeys(("statement_timeout", "idle_in_transaction_session_timeout"), milliseconds)
    connection.exec_driver_sql(_set(limits, is_local=True))
    yield


def _set(settings: Mapping[str, str], *, is_local: bool) -> str:
    """A statement that makes these settings: name → expression."""
    calls = (f"set_config('{name}', {value}, {is_local})" for name, value in settings.items())
    return f"SELECT {', '.join(calls)}"


def _engine(
    parameters: Mapping[str, Any], connections: int, settings: Mapping[str, str], begin: str
) -> Engine:
    # The driver begins no transactions: it would need a round trip for the settings.
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
    else:  # a pooler gives numbers of its own
        driver.prepare_threshold = None
        local = _set(settings, is_local=True)
        record.info.update({_BEGIN: f"{begin}; {local}", _BEFORE: local})


def _begun(connection: Connection) -> None:
    with drivers_errors(connection):
        driver: Any = connection.connection.driver_connection
        driver.execute(connection.connection.info[_BEGIN], prepare=False)


def _require_quiet(driver: Any, _record: Any, _pooled: Any) -> None:
    """An idle connection has nothing to say: if it has, the server is taking its leave, or has gone.
    Raises DisconnectionError, upon which the pool opens another one.
    """
    poll = select.poll()
    poll.register(driver.pgconn.socket, select.POLLIN | select.POLLHUP)
    if poll.poll(0):
        raise DisconnectionError
