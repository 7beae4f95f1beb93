"""Conditions, order, pages and cursors of lists. A cursor is opaque to callers."""

import base64
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Float, Integer, Select, Table, Tuple, literal, tuple_
from sqlalchemy.sql.elements import KeyedColumnElement

from receiver.errors import ErrorKind, InputError
from receiver.http.params import PageQuery
from receiver.http.schemas import DataRange

Where = ColumnElement[bool]

Order = tuple[KeyedColumnElement[Any], ...]
"""Columns that a list is ordered by: a time first, then columns that distinguish rows of the same time."""

Position = tuple[float | str | int, ...]
"""Values of the last row of a page, in the columns of its order."""


def equal(table: Table, params: object, names: Sequence[str]) -> list[Where]:
    """Return a condition for each of these parameters that is set: the column of its name has its value."""
    values = {name: getattr(params, name) for name in names}
    return [table.c[name] == value for name, value in values.items() if value is not None]


def between(at: ColumnElement[float], since: float | None, until: float | None) -> list[Where]:
    """Return the conditions `since` ≤ `at` < `until`, without a bound that is None."""
    bounds = ((since, at.__ge__), (until, at.__lt__))
    return [compare(bound) for bound, compare in bounds if bound is not None]


def read_page(
    connection: Connection, query: Select[Any], order: Order, params: PageQuery
) -> tuple[list[dict[str, Any]], str | None]:
    """Return the page's rows, and the cursor of the next page or None. Raises InputError for a bad cursor."""
    after = read_cursor(params, order)
    rows = [row._asdict() for row in connection.execute(page(query, order, after, params.limit))]
    shown = rows[: params.limit]
    has_more = len(rows) > params.limit
    return shown, encode_cursor([shown[-1][column.key] for column in order]) if has_more else None


def read_cursor(params: PageQuery, order: Order) -> Position | None:
    """Return the position of the cursor, None without one. Raises InputError for a bad cursor."""
    types = [_json_type(column) for column in order]
    return decode_cursor(params.cursor, types) if params.cursor else None


def data_range(
    connection: Connection,
    select_rows: Callable[[Any], Select[Any]],
    at: KeyedColumnElement[Any],
    params: PageQuery,
) -> DataRange | None:
    """Return from when to when there are rows outside the period of the parameters; None without a period.

    For an empty page. `select_rows`: makes the query of the parameters; `at`: the column of the period.
    """
    period = {name: None for name in ("since", "until") if getattr(params, name, None) is not None}
    if not period or params.cursor:
        return None
    rows = select_rows(params.model_copy(update=period)).with_only_columns(at)
    first = connection.scalar(rows.order_by(at).limit(1))
    last = connection.scalar(rows.order_by(at.desc()).limit(1))
    return None if first is None else DataRange(first=first, last=last)


def page(query: Select[Any], order: Order, after: Position | None, limit: int) -> Select[Any]:
    """Return the query for the rows behind `after`, newest first: one more than `limit`, to see whether the
    list goes on.
    """
    if after is not None:
        query = query.where(tuple_(*order) < at_position(after, order))
    return query.order_by(*(column.desc() for column in order)).limit(limit + 1)


def at_position(position: Position, order: Order) -> Tuple:
    """Return a position as a row value that is compared with the columns of the order."""
    values = (literal(value, type_=column.type) for value, column in zip(position, order, strict=True))
    return tuple_(*values)


def encode_cursor(position: Sequence[float | str | int]) -> str:
    """Return the position as URL-safe text."""
    return base64.urlsafe_b64encode(json.dumps(list(position)).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, types: Sequence[type]) -> Position:
    """Return the position of a cursor, with values of these types. Raises InputError if it is not ours."""
    try:
        values = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
        fits = [type(value) for value in values] == list(types) and all(map(_is_storable, values))
    except (ValueError, TypeError, RecursionError):
        fits = False
    if not fits:
        raise InputError(
            "cursor",
            "take next_cursor from the answer before, unchanged, or leave it out",
            ErrorKind("cursor"),
        )
    return tuple(values)


def _json_type(column: KeyedColumnElement[Any]) -> type:
    """Return the Python type of the column's values in JSON."""
    if isinstance(column.type, Float):
        return float
    return int if isinstance(column.type, Integer) else str


def _is_storable(value: object) -> bool:
    """Return whether a column can hold the value: no zero byte, no huge number. Raises ValueError for half a
    surrogate pair.
    """
    if isinstance(value, str):
        return b"\x00" not in value.encode()
    return isinstance(value, int | float) and math.isfinite(value) and abs(value) < 2**62
