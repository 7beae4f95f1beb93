"""A walk over the tasks of a search, oldest first, in stretches of bounded work: for exports."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, false, select, tuple_, union_all

from receiver.http.paging import Position, Where, at_position, between
from receiver.tasks.queries import TASKS_ORDER
from receiver.tasks.task_sources import Source, Wanted, sources


class WalkBounds(NamedTuple):
    """Where a stretch begins and ends. `after`: position of the last task of the stretch before, () at the
    beginning; `until`: only tasks whose first fact is before it; `size`: maximum number of positions in an
    index that are looked at.
    """

    after: Position
    until: float | None
    size: int


class TaskStretch(NamedTuple):
    """`tasks`: selects `first_at`, `account` and `key` of the tasks, also of the one at `after`; `end`:
    position after which the next stretch begins, None if this is the last.
    """

    tasks: Select[Any]
    end: Position | None


def next_stretch(connection: Connection, wanted: Wanted, bounds: WalkBounds) -> TaskStretch:
    """Return the next stretch of the tasks that the list shows. Raises ForbiddenError and InputError."""
    found = sources(connection, wanted)
    ends = [_end(connection, source, bounds) for source in found]
    end = min(filter(None, ends), default=None)
    parts = [_part(source, bounds, end) for source in found] or [select(*TASKS_ORDER).where(false())]
    # Two sources, or the two legs of a task with one number, may have the same task.
    tasks = union_all(*parts).subquery()
    return TaskStretch(select(tasks).distinct(), end)


def _end(connection: Connection, source: Source, bounds: WalkBounds) -> Position | None:
    """Return the position of the last task of a source that is looked at; None if all are."""
    query = source.positions.where(*between(source.order[0], None, bounds.until))
    if bounds.after:
        query = query.where(tuple_(*source.order) > at_position(bounds.after, source.order))
    row = connection.execute(query.order_by(*source.order).limit(1).offset(bounds.size - 1)).first()
    return tuple(row) if row else None


def _part(source: Source, bounds: WalkBounds, end: Position | None) -> Select[Any]:
    """Return the query for the tasks of a source from `after` to `end`."""
    place = tuple_(*source.order)
    wheres: Sequence[Where] = [
        *between(source.order[0], None, bounds.until),
        *([place >= at_position(bounds.after, source.order)] if bounds.after else []),
        *([place <= at_position(end, source.order)] if end else []),
    ]
    columns = (column.label(name.key) for column, name in zip(source.order, TASKS_ORDER, strict=True))
    return source.tasks.where(*wheres).with_only_columns(*columns)
