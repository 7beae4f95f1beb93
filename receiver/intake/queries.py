"""Queries of deliveries."""

from typing import Any

from sqlalchemy import Select, func, select, true

from receiver.http.paging import Order, between, equal
from receiver.intake.params import DeliveryQuery
from receiver.ledger.tables import DELIVERY, FACT
from receiver.tasks.queries import of_any_account

DELIVERIES_ORDER: Order = (DELIVERY.c.received_at, DELIVERY.c.id)


def deliveries(params: DeliveryQuery) -> Select[Any]:
    """Select deliveries without query, headers and body."""
    names = ("id", "account", "event", "ref", "received_at", "method", "peer", "problem")
    problem = {"any": DELIVERY.c.problem.isnot(None), "none": DELIVERY.c.problem.is_(None)}
    return select(*(DELIVERY.c[name] for name in names), func.length(DELIVERY.c.body).label("size")).where(
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


def delivery(delivery_id: str) -> Select[Any]:
    """Select a delivery with its content."""
    return select(DELIVERY, func.length(DELIVERY.c.body).label("size")).where(DELIVERY.c.id == delivery_id)
