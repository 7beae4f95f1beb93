"""Subscriptions by id or by name."""

from typing import Any

from sqlalchemy import Connection, Row

from receiver.domain.suggestions import unknown_name
from receiver.errors import ConflictError, NotFoundError
from receiver.outcomes import subscription_sql


def find_subscription(connection: Connection, name: str) -> Row[Any]:
    """Return the row of the subscription with this id, or else with this name.

    Raises NotFoundError, or ConflictError if several have the name.
    """
    rows = subscription_sql.find(connection, name)
    exact = [row for row in rows if row.id == name]
    if len(exact or rows) > 1:
        ids = ", ".join(row.id for row in rows)
        raise ConflictError(f"{len(rows)} subscriptions have the name '{name}'; use an id: {ids}")
    if not rows:
        raise NotFoundError(unknown_name("subscription", name, subscription_sql.names(connection)))
    return (exact or rows)[0]
