"""Reading one page of an ordered list."""

from typing import Any

from sqlalchemy import (
    Connection,
    Float,
    Integer,
    Select,
    literal,
    tuple_,
)
from sqlalchemy.sql.elements import KeyedColumnElement

from receiver.http.cursor import Position, decode, encode
from receiver.http.params import PageQuery

Order = tuple[KeyedColumnElement[Any], ...]
"""A moment first, then columns that tell rows of the same moment apart."""


def read_page(
    connection: Connection, query: Select[Any], order: Order, asked: PageQuery
) -> tuple[list[dict[str, Any]], str | None]:
    """The page's rows, and the cursor of the next one if there is one. Raises InputError for a bad cursor."""
    after = decode(asked.cursor, [_kind(each) for each in order]) if asked.cursor else None
    rows = [row._asdict() for row in connection.execute(page(query, order, after, asked.limit))]
    shown = rows[: asked.limit]
    goes_on = len(rows) > asked.limit
    return shown, encode([shown[-1][each.key] for each in order]) if goes_on else None


def _kind(column: KeyedColumnElement[Any]) -> type:
    """What JSON makes of the column's values."""
    if isinstance(column.type, Float):
        return float
    return int if isinstance(column.type, Integer) else str


def page(query: Select[Any], order: Order, after: Position | None, limit: int) -> Select[Any]:
    """The rows behind `after`, newest first, and one more than `limit` to show whether the list goes on."""
    if after is not None:
        values = (literal(value, type_=each.type) for value, each in zip(after, order, strict=True))
        query = query.where(tuple_(*order) < tuple_(*values))
    return query.order_by(*(each.desc() for each in order)).limit(limit + 1)
