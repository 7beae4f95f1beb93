"""Reading a relation from one end to the other, in pages that each stand for themselves: between two of them
no transaction is open, however long whoever takes them needs.

A page is what is selection of a stretch of the walked table. So none takes long, even if nothing in it is
selection, and it is always known where to go on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection

from receiver.analytics.views import Dialect, Relation
from receiver.errors import InputError
from receiver.storage.bulk import is_postgres, run

STRETCH = 5_000
"""Rows of the walked table."""

MARK = "~"
"""Between the parts of a position; only the last part may hold it."""

POSITION = "position"
"""Name of the first column: the position of the row, after which a later export starts."""

Position = tuple[float | int | str, ...]
"""Values of the columns of the order, or of the first of them: what lies behind has larger ones."""

_Where = tuple[str, Sequence[Any]]
"""A condition, and the values of its `?`."""

_BY_INDEX = "SELECT " + ", ".join(
    f"set_config('enable_{way}', 'off', true)" for way in ("seqscan", "hashjoin", "mergejoin")
)
"""To read a table whole, time and again, looks cheap to PostgreSQL where it knows little of it."""


@dataclass(frozen=True, slots=True)
class ExportSelection:
    """Which rows: of an account, with moments from `since` on and before `until`, behind `after`, at most
    `limit`. `numbers`: phone numbers are shown in full. `last`: none behind the row with this number.
    """

    relation: Relation
    numbers: bool = False
    account: str | None = None
    since: float | None = None
    until: float | None = None
    after: Position = ()
    limit: int | None = None
    last: int | None = None

    @property
    def masks_documents(self) -> bool:
        """Whether there is something to mask that SQL cannot."""
        return not self.numbers and any(field.kind == "json" for field in self.relation.fields)


class Page(NamedTuple):
    """What is read next. `most`: rows; `end`: where to go on, None if nothing follows."""

    selection: ExportSelection
    dialect: Dialect
    where: _Where
    most: int | None
    end: Position | None

    def query(self, columns: Sequence[str]) -> str:
        """The statement, with `?` for each value of `where`."""
        relation = self.selection.relation
        order = ", ".join(column for column, _ in relation.order)
        limit = f" LIMIT {self.most}" if self.most is not None else ""
        return (
            f"SELECT {', '.join(columns)} FROM {relation.tables} "  # noqa: S608 - our own words
            f"WHERE {self.where[0]} ORDER BY {order}{limit}"
        )


def next_page(connection: Connection, selection: ExportSelection, after: Position, most: int | None) -> Page:
    """The page behind `after`."""
    dialect: Dialect = "postgresql" if is_postgres(connection) else "sqlite"
    if dialect == "postgresql":
        run(connection, _BY_INDEX)
    relation = selection.relation
    end = _end(connection, selection, after)
    wheres = _range(selection)
    if selection.account is not None:
        # As an expression it is nothing to look up: the walk keeps to its index.
        wheres.append((f"{relation['account'].source} || '' = ?", [selection.account]))
    wheres += _behind([column for column, _ in relation.order], after)
    if len(after) > len(relation.steps):
        wheres.append(_compared(relation.steps, ">=", after))
    if end is not None:
        wheres.append(_compared(relation.steps, "<=", end))
    return Page(selection, dialect, _all(wheres), most, end)


def _end(connection: Connection, selection: ExportSelection, after: Position) -> Position | None:
    """The last place of the stretch behind `after`; None if less is left than a stretch."""
    relation = selection.relation
    wheres = _range(selection) if relation.moment == relation.steps[0] else []
    where, values = _all([*wheres, *_behind(relation.steps, after)])
    steps = ", ".join(relation.steps)
    query = (
        f"SELECT {steps} FROM {relation.walked} WHERE {where} ORDER BY {steps} LIMIT 1 OFFSET {STRETCH - 1}"  # noqa: S608 - our own words
    )
    row = run(connection, query, *values).first()
    return None if row is None else tuple(row)


def _range(selection: ExportSelection) -> list[_Where]:
    relation = selection.relation
    moment = relation.moment if relation.moment == relation.steps[0] else f"{relation.moment} + 0.0"
    bounds = ((">=", selection.since), ("<", selection.until))
    wheres: list[_Where] = [(f"{moment} {sign} ?", [at]) for sign, at in bounds if at is not None]
    return wheres if selection.last is None else [*wheres, (f"{relation.steps[0]} <= ?", [selection.last])]


def _behind(columns: Sequence[str], place: Position) -> list[_Where]:
    return [_compared(columns, ">", place)] if place else []


def _compared(columns: Sequence[str], sign: str, place: Position) -> _Where:
    """As far as there are both columns and values."""
    width = min(len(columns), len(place))
    marks = ", ".join("?" * width)
    return f"({', '.join(columns[:width])}) {sign} ({marks})", place[:width]


def _all(wheres: Sequence[_Where]) -> _Where:
    condition = " AND ".join(sql for sql, _ in wheres)
    return condition or "1 = 1", [value for _, values in wheres for value in values]


def parts(relation: Relation) -> list[tuple[str, type]]:
    """The columns of a position as they are written: numbers first, the key, which may be anything, last."""
    return sorted(relation.order, key=lambda each: each[1] is str)


def read_position(text: str, relation: Relation) -> Position:
    """The position that a row of the relation begins with. Raises InputError for what no row does."""
    columns = parts(relation)
    try:
        texts = text.split(MARK, len(columns) - 1)
        values = {column: kind(each) for (column, kind), each in zip(columns, texts, strict=True)}
    except ValueError:
        raise _no_position() from None
    if not all(map(_is_storable, values.values())):
        raise _no_position()
    return tuple(values[column] for column, _ in relation.order)


def _is_storable(value: float | int | str) -> bool:
    """Half a surrogate pair, which no row has, or a number beyond all does not get as far as the store."""
    if isinstance(value, str):
        return "\x00" not in value and value.encode(errors="ignore").decode() == value
    return math.isfinite(value) and abs(value) < 2**62


def _no_position() -> InputError:
    return InputError("after", "take the `position` of a row of this relation, unchanged, or leave it out")


class FilePart(NamedTuple):
    """The next bytes of a file, and the number of rows in them."""

    rows: int
    data: bytes


def column_names(relation: Relation) -> list[str]:
    """Return the names of an export's columns."""
    return [POSITION, *(field.name for field in relation.fields)]
