"""Queries of deliveries."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, true

from receiver.http.paging import Order, between, equal
from receiver.intake.params import DeliveryQuery
from receiver.ledger.tables import DELIVERY, FACT
from receiver.storage.bulk import run
from receiver.tasks.queries import of_any_account

DELIVERIES_ORDER: Order = (DELIVERY.c.received_at, DELIVERY.c.id)

_NAMES = ("id", "account", "event", "ref", "received_at", "method", "peer", "problem")
_BRIEF = (*(DELIVERY.c[name] for name in _NAMES), func.length(DELIVERY.c.body).label("size"))
"""A delivery without query, headers and body."""


def deliveries(params: DeliveryQuery) -> Select[Any]:
    """Select deliveries without query, headers and body."""
    problem = {"any": DELIVERY.c.problem.isnot(None), "none": DELIVERY.c.problem.is_(None)}
    return select(*_BRIEF).where(
        *equal(DELIVERY, params, ("account", "event", "ref")),
        DELIVERY.c.id.in_(_deliveries_of(params.account, params.ref)) if params.ref is not None else true(),
        *between(DELIVERY.c.received_at, params.since, params.until),
        problem.get(params.problem, DELIVERY.c.problem == params.problem) if params.problem else true(),
    )


def _deliveries_of(account: str | None, ref: str) -> Select[Any]:
    """Select the ids of deliveries with this ref: each is a fact, and facts have an index by ref."""
    name = func.substr(FACT.c.id, func.length(FACT.c.account) + len("/hook/") + 1)
    of_account = FACT.c.account == account if account is not None else of_any_account(FACT)
    return select(name).where(of_account, FACT.c.ref == ref, FACT.c.kind == "hook")


def deliveries_named(connection: Connection, ids: Iterable[str]) -> dict[str, Row[Any]]:
    """Return id → delivery without query, headers and body, of those that are still stored."""
    query = f"SELECT {', '.join(_NAMES)}, length(body) AS size FROM delivery WHERE id IN ?"  # noqa: S608 - our own words
    return {row.id: row for row in run(connection, query, list(ids))}


def latest_deliveries(account: str | None, problem: str | None, limit: int) -> Select[Any]:
    """Select the latest deliveries with their content."""
    wheres = deliveries(DeliveryQuery(account=account, problem=problem)).whereclause
    query = select(DELIVERY).order_by(*(column.desc() for column in DELIVERIES_ORDER)).limit(limit)
    return query if wheres is None else query.where(wheres)


def delivery(delivery_id: str) -> Select[Any]:
    """Select a delivery with its content."""
    return select(DELIVERY, func.length(DELIVERY.c.body).label("size")).where(DELIVERY.c.id == delivery_id)
