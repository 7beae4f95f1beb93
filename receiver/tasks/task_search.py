"""Search of tasks by phone number, name, text or reason: one page at a time, each with bounded work."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, func, literal, select, tuple_

from receiver.errors import InputError
from receiver.http.paging import (
    Order,
    Position,
    Where,
    at_position,
    between,
    encode_cursor,
    equal,
    page,
    read_cursor,
)
from receiver.tasks import queries
from receiver.tasks.params import TaskQuery
from receiver.tasks.phone_ranges import DigitRange
from receiver.tasks.tables import TASK, TASK_NUMBER

NUMBERS_ORDER: Order = (TASK_NUMBER.c.at, TASK_NUMBER.c.account, TASK_NUMBER.c.key)

MOST_SCANNED = 50_000
"""Maximum number of tasks that a page looks at. Then it ends early, with the cursor of the next page."""

MOST_ENDINGS = 10_000
"""Maximum number of tasks with numbers that end in some digits, since a page sorts them all."""

_SCANS = {"reason", "name", "text"}
"""Filters of all tasks for which there is no index."""

_INDEXED = {"phone", "account", "since", "until", "limit", "cursor"}
"""Parameters that are no filters of the tasks with a number, or are answered by its index."""

_FEW = {"ref", "task_id"}
"""Filters that few tasks pass, found by an index."""


class Source(NamedTuple):
    """Tasks by an index: their positions without other filters, and their rows with all filters."""

    positions: Select[Any]
    tasks: Select[Any]
    order: Order


def all_tasks(params: TaskQuery) -> Source:
    """Return all tasks of the period as a source."""
    positions = select(*queries.TASKS_ORDER).where(*between(TASK.c.first_at, params.since, params.until))
    return Source(positions, queries.tasks(params), queries.TASKS_ORDER)


def tasks_of(digits: DigitRange, params: TaskQuery) -> Source:
    """Return the tasks with these numbers as a source. A task has a row for each leg that fits."""
    wheres = [
        _in_range(digits),
        *equal(TASK_NUMBER, params, ("account",)),
        *between(TASK_NUMBER.c.at, params.since, params.until),
    ]
    same = and_(TASK.c.account == TASK_NUMBER.c.account, TASK.c.key == TASK_NUMBER.c.key)
    tasks = queries.tasks(params).join(TASK_NUMBER, same).where(*wheres)
    return Source(select(*NUMBERS_ORDER).where(*wheres), tasks, NUMBERS_ORDER)


def search(
    connection: Connection, params: TaskQuery, ranges: Sequence[DigitRange]
) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page of rows of `task`, newest first, and the cursor of the next page or None.

    `ranges`: numbers to look for; without any, all tasks are looked at. Raises InputError.
    """
    for digits in ranges:
        _require_few(connection, digits)
    sources = [tasks_of(digits, params) for digits in ranges] or [all_tasks(params)]
    after = read_cursor(params, queries.TASKS_ORDER)
    floors = [_floor(connection, source, after) for source in sources] if _is_scan(params) else []
    floor = max(filter(None, floors), default=None)
    # Twice the rows: a task may have the number on both legs.
    limit = 2 * params.limit + 1 if ranges else params.limit
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for source in sources:
        query = page(source.tasks, source.order, after, limit)
        if floor:
            query = query.where(tuple_(*source.order) >= at_position(floor, source.order))
        for row in connection.execute(query):
            rows[row.account, row.key] = row._asdict()
    newest = sorted(rows.values(), key=lambda row: -row["first_at"])
    shown = newest[: params.limit]
    if len(newest) > params.limit:
        return shown, encode_cursor([shown[-1][column.key] for column in queries.TASKS_ORDER])
    return shown, encode_cursor(floor) if floor else None


def _is_scan(params: TaskQuery) -> bool:
    """Return whether many tasks may be looked at for few that match."""
    given = params.model_fields_set
    scans = given - _INDEXED if params.phone is not None else given & _SCANS
    return bool(scans) and not given & _FEW


def _floor(connection: Connection, source: Source, after: Position | None) -> Position | None:
    """Return the position of the last task that the page may look at; None if it may look at all."""
    query = page(source.positions, source.order, after, 0).offset(MOST_SCANNED - 1)
    row = connection.execute(query).first()
    return tuple(row) if row else None


def _require_few(connection: Connection, digits: DigitRange) -> None:
    """Raise InputError if too many tasks have numbers that end in the digits."""
    if digits.is_one:
        return
    some = select(literal(1)).select_from(TASK_NUMBER).where(_in_range(digits)).limit(MOST_ENDINGS + 1)
    if (connection.scalar(select(func.count()).select_from(some.subquery())) or 0) > MOST_ENDINGS:
        raise InputError(
            "phone", f"more than {MOST_ENDINGS:,} tasks have numbers that end so: write more digits"
        )


def _in_range(digits: DigitRange) -> Where:
    """Return the condition for the rows of these numbers."""
    if digits.is_one:
        return TASK_NUMBER.c.digits == digits.low
    return and_(TASK_NUMBER.c.digits >= digits.low, TASK_NUMBER.c.digits <= digits.high)
