"""Appending hooks: deliveries, their facts, and the marks of their tasks."""

import base64
from collections.abc import Sequence
from typing import NamedTuple

import orjson
from sqlalchemy import Connection

from receiver.domain.facts import Fact
from receiver.ledger import dirty
from receiver.ledger.dirty import DirtyTask
from receiver.ledger.fact_sql import fact_row, fact_values
from receiver.ledger.tables import FACT
from receiver.storage.bulk import insert, is_postgres, run, write
from receiver.storage.locks import share_appending


class Delivery(NamedTuple):
    """A row of `delivery`, in the order of its columns. `headers`: JSON, a list of pairs."""

    id: str
    account: str
    event: str
    ref: str | None
    received_at: float
    method: str
    query: str
    headers: str
    body: bytes
    peer: str | None
    problem: str | None


class Arrival(NamedTuple):
    """A delivery and its fact, None if it names no task. `more`: facts of the further events of the request.
    The facts have the account, ref and time of the delivery.
    """

    delivery: Delivery
    fact: Fact | None
    more: tuple[Fact, ...] = ()


def add_arrivals(connection: Connection, arrivals: Sequence[Arrival]) -> None:
    """Append hooks that are not stored yet, and mark their tasks as dirty."""
    if not arrivals:
        return
    if is_postgres(connection):
        share_appending(connection)
        rows = [_row(arrival) for arrival in arrivals]
        connection.exec_driver_sql(_ON_POSTGRES, (orjson.dumps(rows).decode(),))
    else:
        insert(connection.exec_driver_sql, "delivery", [arrival.delivery for arrival in arrivals])
        facts = [fact_values(arrival.fact) for arrival in arrivals if arrival.fact]
        insert(connection.exec_driver_sql, _FACT, facts)
    further = [fact for arrival in arrivals if arrival.more for fact in arrival.more]
    write(connection, FACT, "add", [fact_row(fact) for fact in further])
    tasks: dict[DirtyTask, float] = {}
    for fact in (*(arrival.fact for arrival in arrivals), *further):
        if fact is not None:
            tasks.setdefault(DirtyTask(fact.account, fact.ref or f"#{fact.task_id}"), fact.at)
    dirty.mark(connection, tasks)


def known_deliveries(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Return the ids of deliveries that are stored."""
    return set(run(connection, "SELECT id FROM delivery WHERE id IN ?", list(ids)).scalars())


_FACT = "fact (id, account, ref, task_id, kind, at, said)"

_ON_POSTGRES = """
WITH arrival AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%s::json) AS a (
        id text, account text, event text, ref text, received_at float8, method text, query text,
        headers json, body text, peer text, problem text, fact_id text, task_id text, kind text, said text)
), kept AS (
    INSERT INTO delivery (id, account, event, ref, received_at, method, query, headers, body, peer, problem)
    SELECT id, account, event, ref, received_at, method, query, headers, decode(body, 'base64'), peer, problem
    FROM arrival
)
INSERT INTO fact (id, account, ref, task_id, kind, at, said)
SELECT fact_id, account, ref, task_id, kind, received_at, said FROM arrival WHERE fact_id IS NOT NULL
"""
"""One statement with all hooks as one parameter."""


def _row(arrival: Arrival) -> dict[str, object]:
    row: dict[str, object] = dict(zip(Delivery._fields, arrival.delivery, strict=True))
    row["headers"] = orjson.Fragment(arrival.delivery.headers)
    row["body"] = base64.b64encode(arrival.delivery.body).decode()
    if arrival.fact is not None:
        row["fact_id"], _, _, row["task_id"], row["kind"], _, row["said"] = fact_values(arrival.fact)
    return row
