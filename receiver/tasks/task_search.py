"""Search of tasks: one page at a time, each with bounded work."""

from typing import Any

from sqlalchemy import Connection, tuple_

from receiver.http.paging import Position, at_position, encode_cursor, page, read_cursor
from receiver.tasks import queries
from receiver.tasks.params import TaskQuery
from receiver.tasks.task_sources import Source, Wanted, sources


def search(
    connection: Connection, wanted: Wanted, params: TaskQuery
) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page of rows of `task`, newest first, and the cursor of the next page or None.

    `params`: the page. Raises InputError.
    """
    after = read_cursor(params, queries.TASKS_ORDER)
    found = sources(connection, wanted)
    floors = [_floor(connection, source, source.most, after) for source in found if source.most]
    floor = max(filter(None, floors), default=None)
    # Twice the rows: a task may have the number on both legs.
    limit = 2 * params.limit + 1 if wanted.ranges else params.limit
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for source in found:
        query = page(source.tasks, source.order, after, limit)
        if floor:
            query = query.where(tuple_(*source.order) >= at_position(floor, source.order))
        for row in connection.execute(query):
            rows[row.account, row.key] = row._asdict()
    newest = list(rows.values())
    if len(found) > 1:
        newest.sort(key=_position, reverse=True)
    shown = newest[: params.limit]
    if len(newest) > params.limit:
        return shown, encode_cursor(_position(shown[-1]))
    return shown, encode_cursor(floor) if floor else None


def _position(row: dict[str, Any]) -> Position:
    return tuple(row[column.key] for column in queries.TASKS_ORDER)


def _floor(connection: Connection, source: Source, most: int, after: Position | None) -> Position | None:
    """Return the position of the last task that the page may look at; None if it may look at all."""
    query = page(source.positions, source.order, after, 0).offset(most - 1)
    row = connection.execute(query).first()
    return tuple(row) if row else None
