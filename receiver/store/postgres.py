"""The shared store: PostgreSQL, any number of receivers on one database."""

import base64
import select
from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError

from receiver.errors import SettingsError
from receiver.store.backend import READERS, Arrival, Backend, Delivery
from receiver.store.rows import fact_values

_CONNECT_S = 5
_SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg://")

_BOUNDS = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
"""The last for a receiver that freezes in a transaction: others must not wait for it as long as it does."""

_AS_WRITTEN = ("-c timezone=UTC", "-c extra_float_digits=1")
"""However the server writes moments and numbers to others: as texts, too, the latter are exact."""

_APPEND = """
WITH arrival AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%s::json) AS a (
        id text, account text, event text, ref text, received_at float8, method text, query text,
        headers json, body text, peer text, problem text, fact_id text, task_id text, kind text, said text)
), kept AS (
    INSERT INTO delivery (id, account, event, ref, received_at, method, query, headers, body, peer, problem)
    SELECT id, account, event, ref, received_at, method, query, headers, decode(body, 'base64'), peer, problem
    FROM arrival
), added AS (
    INSERT INTO fact (id, account, ref, task_id, kind, at, said)
    SELECT fact_id, account, ref, task_id, kind, received_at, said FROM arrival WHERE fact_id IS NOT NULL
    RETURNING seq
)
INSERT INTO pending (seq) SELECT seq FROM added
"""
"""The whole batch is one parameter and one statement, so one round trip beside that of the commit."""


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
        reading=reading.execution_options(isolation_level="REPEATABLE READ"),
        append=append,
    )


def append(engine: Engine, arrivals: Sequence[Arrival]) -> None:
    """See `Store.append`. The one statement is the transaction."""
    rows = [_row(each) for each in arrivals]
    with engine.connect() as connection:
        connection.exec_driver_sql(_APPEND, (orjson.dumps(rows).decode(),))


def _row(arrival: Arrival) -> dict[str, object]:
    row: dict[str, object] = dict(zip(Delivery._fields, arrival.delivery, strict=True))
    row["headers"] = orjson.Fragment(arrival.delivery.headers)
    row["body"] = base64.b64encode(arrival.delivery.body).decode()
    if arrival.fact is not None:
        row["fact_id"], _, _, row["task_id"], row["kind"], _, row["said"] = fact_values(arrival.fact)
    return row


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
            "options": " ".join([*bounds, *options, *_AS_WRITTEN]),
            "connect_timeout": _CONNECT_S,
            "application_name": "receiver",
            "tcp_user_timeout": 10_000,
        },
    )
