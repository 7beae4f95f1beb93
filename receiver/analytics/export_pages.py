"""Reading a relation page by page. No transaction is open between two pages, however slow the client is.

A page is a stretch of the walked table, from which the selected rows are read. So every page is fast, even
if no row of it is selected, and always has an end to continue from. The tasks of a search are walked by the
indexes that find them, as the list of tasks is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection

from receiver.analytics.views import Dialect, Relation
from receiver.errors import InputError
from receiver.storage.bulk import is_postgres, run, statement_of
from receiver.tasks.task_sources import Wanted
from receiver.tasks.task_walk import WalkBounds, next_stretch

STRETCH = 5_000
"""Number of rows of the walked table in a page."""

MARK = "~"
"""Separator of the parts of a position; only the last part may contain it."""

POSITION = "position"
"""Name of the first column: the position of the row, after which a later export starts."""

Position = tuple[float | int | str, ...]
"""Values of the order's columns, or of the first ones; later rows have larger values."""

_Sql = tuple[str, Sequence[Any]]
"""A part of a statement, such as a condition, and its parameters."""

_BY_INDEX = "SELECT " + ", ".join(
    f"set_config('enable_{way}', 'off', true)" for way in ("seqscan", "hashjoin", "mergejoin")
)
"""Makes PostgreSQL use indexes: without statistics it would read the whole table for each page."""


@dataclass(frozen=True, slots=True)
class ExportSelection:
    """The rows of an export: of an account, with moments from `since` on and before `until`, after the
    position `after`, at most `limit`. `numbers`: phone numbers in full; `last`: maximum number of a row;
    `wanted`: a search with the same account and period, of whose tasks alone the rows are.
    """

    relation: Relation
    numbers: bool = False
    account: str | None = None
    since: float | None = None
    until: float | None = None
    after: Position = ()
    limit: int | None = None
    last: int | None = None
    wanted: Wanted | None = None

    @property
    def masks_documents(self) -> bool:
        """Whether documents must be masked, which SQL cannot do."""
        return not self.numbers and any(field.kind == "json" for field in self.relation.fields)


class ExportStretch(NamedTuple):
    """A part of the walked table, and how its rows are read. `tables`: what stands behind FROM; `order`:
    columns; `end`: position after which the next one begins, None if none follows.
    """

    tables: _Sql
    where: _Sql
    order: Sequence[str]
    end: Position | None


class ExportPage(NamedTuple):
    """The next rows to read. `most`: maximum number."""

    selection: ExportSelection
    dialect: Dialect
    stretch: ExportStretch
    most: int | None

    def query(self, columns: Sequence[str]) -> str:
        """Return the statement, with `?` for each of `values`."""
        tables, where, order, _ = self.stretch
        limit = f" LIMIT {self.most}" if self.most is not None else ""
        return (
            f"SELECT {', '.join(columns)} FROM {tables[0]} "  # noqa: S608 - our own words
            f"WHERE {where[0]} ORDER BY {', '.join(order)}{limit}"
        )

    @property
    def values(self) -> list[Any]:
        """Values of the statement."""
        return [*self.stretch.tables[1], *self.stretch.where[1]]


def next_page(
    connection: Connection, selection: ExportSelection, after: Position, most: int | None
) -> ExportPage:
    """Return the page after a position. Raises what `next_stretch` raises."""
    dialect: Dialect = "postgresql" if is_postgres(connection) else "sqlite"
    if dialect == "postgresql":
        run(connection, _BY_INDEX)
    if selection.wanted is None:
        stretch = _of_table(connection, selection, after)
    else:
        stretch = _of_search(connection, selection, selection.wanted, after)
    return ExportPage(selection, dialect, stretch, most)


def _of_table(connection: Connection, selection: ExportSelection, after: Position) -> ExportStretch:
    """Return the next stretch of the whole table."""
    relation = selection.relation
    end = _end(connection, selection, after)
    wheres = _range(selection)
    if selection.account is not None:
        # An expression, so that the database keeps to the index of the walk.
        wheres.append((f"{relation['account'].source} || '' = ?", [selection.account]))
    order = [column for column, _ in relation.order]
    wheres += _behind(order, after)
    if len(after) > len(relation.steps):
        wheres.append(_compared(relation.steps, ">=", after))
    if end is not None:
        wheres.append(_compared(relation.steps, "<=", end))
    return ExportStretch((relation.tables, []), _all(wheres), order, end)


def _of_search(
    connection: Connection, selection: ExportSelection, wanted: Wanted, after: Position
) -> ExportStretch:
    """Return the next stretch of the tasks of a search."""
    relation = selection.relation
    bounds = WalkBounds(after[: len(relation.steps)], selection.until, STRETCH)
    tasks, end = next_stretch(connection, wanted, bounds)
    query, values = statement_of(connection, tasks)
    # SQLite begins with the left side of CROSS JOIN. Ordered by what was found, no database walks all tasks.
    tables = f"({query}) AS found CROSS JOIN {relation.tables}"
    found = {step: step.replace("t.", "found.") for step in relation.steps}
    order = [found.get(column, column) for column, _ in relation.order]
    same: list[_Sql] = [("t.account = found.account AND t.key = found.key", [])]
    return ExportStretch((tables, values), _all([*same, *_behind(order, after)]), order, end)


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


def _range(selection: ExportSelection) -> list[_Sql]:
    relation = selection.relation
    moment = relation.moment if relation.moment == relation.steps[0] else f"{relation.moment} + 0.0"
    bounds = ((">=", selection.since), ("<", selection.until))
    wheres: list[_Sql] = [(f"{moment} {sign} ?", [at]) for sign, at in bounds if at is not None]
    return wheres if selection.last is None else [*wheres, (f"{relation.steps[0]} <= ?", [selection.last])]


def _behind(columns: Sequence[str], place: Position) -> list[_Sql]:
    return [_compared(columns, ">", place)] if place else []


def _compared(columns: Sequence[str], sign: str, place: Position) -> _Sql:
    """Compare as many columns as there are values."""
    width = min(len(columns), len(place))
    marks = ", ".join("?" * width)
    return f"({', '.join(columns[:width])}) {sign} ({marks})", place[:width]


def _all(wheres: Sequence[_Sql]) -> _Sql:
    condition = " AND ".join(sql for sql, _ in wheres)
    return condition or "1 = 1", [value for _, values in wheres for value in values]


def parts(relation: Relation) -> list[tuple[str, type]]:
    """Return the columns of a written position: numbers first, and last the key, which may be any text."""
    return sorted(relation.order, key=lambda each: each[1] is str)


def read_position(text: str, relation: Relation) -> Position:
    """Read the position of a row. Raises InputError if no row of the relation can have it."""
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
    """Whether the store can have the value: no lone surrogates, zero bytes or huge numbers."""
    if isinstance(value, str):
        return "\x00" not in value and value.encode(errors="ignore").decode() == value
    return math.isfinite(value) and abs(value) < 2**62


def _no_position() -> InputError:
    return InputError("after", "must be the unchanged `position` of a row of this relation")


class FilePart(NamedTuple):
    """The next bytes of a file, and the number of rows in them."""

    rows: int
    data: bytes


def column_names(relation: Relation) -> list[str]:
    """Return the names of an export's columns."""
    return [POSITION, *(field.name for field in relation.fields)]
