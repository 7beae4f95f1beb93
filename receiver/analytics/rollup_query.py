"""Reading rollups: one statement for each query."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache, lru_cache
from operator import add
from time import time
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Table,
    case,
    cast,
    func,
    literal,
    or_,
    select,
)

from receiver.analytics.query import WEEKDAYS, AnalyticsQuery, Dimension
from receiver.analytics.rollup_check import count_again, scratch
from receiver.analytics.rollup_parts import COUNTS
from receiver.analytics.rollups import Deltas, RollupCalendar, rollup_calendar
from receiver.analytics.tables import ROLLUP, ROLLUP_DAY
from receiver.domain.calendar import DAY_S, HOUR_S, date_of
from receiver.storage.once import once
from receiver.tasks.tables import TASK

GroupKey = tuple[str, ...]
"""One text for each dimension."""

CountColumns = Mapping[str, Sequence[int]]
"""Name of a count → its sums, one for each key. Columns, since thousands of rows would be slower."""

_QUARTER_S = 900
_DAYS: tuple[Dimension, ...] = ("day", "week", "month", "weekday")


class RollupSums(NamedTuple):
    """`read_from`: `rollup`, or `tasks` if the hours of the rollup are not those of the zone."""

    keys: Sequence[GroupKey]
    columns: CountColumns
    read_from: str


RollupReader = Callable[[AnalyticsQuery, Sequence[str]], RollupSums]
"""Returns the sums of the named counts by the query's dimensions."""


@contextmanager
def rollup_reader(connection: Connection) -> Iterator[RollupReader]:
    """Yield a reader for several queries about the same tasks, which counts tasks at most once."""
    calendar = once(connection, rollup_calendar)
    with ExitStack() as stack:
        counted = cache(lambda scope: stack.enter_context(_counted(connection, scope)))

        def read(query: AnalyticsQuery, counts: Sequence[str]) -> RollupSums:
            source, table, read_from = connection, _choose_table(connection, query, calendar), "rollup"
            if table is None:
                scope = replace(query, by=(), basis="created", slice="all")
                source, table, read_from = counted(scope), ROLLUP, "tasks"
            return RollupSums(*_sums(source, query, table, counts), read_from)

        yield read


def _sums(
    source: Connection, query: AnalyticsQuery, table: Table, counts: Sequence[str]
) -> tuple[Sequence[GroupKey], CountColumns]:
    """Return keys and sums. All totals of a period come from one statement, since a report has many."""
    if query.by or query.slice != "all":
        return _group(query, source.execute(_statement(query, table, tuple(counts))).all(), counts)
    keys, columns = _group(query, once(source, _totals, query, table), COUNTS)
    wanted = {name: columns[name] for name in counts}
    return (keys, wanted) if any(map(any, wanted.values())) else ([], dict.fromkeys(counts, ()))


def _totals(source: Connection, query: AnalyticsQuery, table: Table) -> Sequence[Any]:
    return source.execute(_statement(query, table, COUNTS)).all()


def _choose_table(connection: Connection, query: AnalyticsQuery, counted_in: RollupCalendar) -> Table | None:
    """Return the rollup by days or by hours that fits the query's zone, or None."""
    if not counted_in.complete or (query.basis == "planned" and not counted_in.planned):
        return None
    if counted_in.calendar.name == query.calendar.name and _is_by_day(query):
        return ROLLUP_DAY
    return ROLLUP if query.calendar.phase(*_span(connection, query)) == counted_in.phase else None


@contextmanager
def _counted(connection: Connection, scope: AnalyticsQuery) -> Iterator[Connection]:
    """Yield a scratch database with sums by quarters of hours, counted for these queries."""
    with scratch() as into:
        deltas = Deltas(RollupCalendar(scope.calendar, 0, True), step=_QUARTER_S)
        count_again(connection, deltas, into, _tasks_of(scope))
        yield into


def _span(connection: Connection, query: AnalyticsQuery) -> tuple[float, float]:
    """Return the query's period; where it is open, up to the first or the last hour of the rollup."""
    since, until = query.since, query.until
    if since is None or until is None:
        first, last = connection.execute(
            select(_outermost(query, func.min), _outermost(query, func.max))
        ).one()
        since = since if since is not None else (first if first is not None else time())
        until = until if until is not None else (last if last is not None else since) + HOUR_S
    return since, max(since, until)


def _outermost(query: AnalyticsQuery, which: Any) -> Any:
    """Select the first or the last hour. One subquery each, or SQLite would read all hours in between."""
    there = ROLLUP.c.basis == query.basis, ROLLUP.c.slice == query.slice
    return select(which(ROLLUP.c.hour)).where(*there).scalar_subquery()


def _is_by_day(query: AnalyticsQuery) -> bool:
    """Whether the rollup by days has all that the query needs."""
    calendar = query.calendar
    bounds = [at for at in (query.since, query.until) if at is not None]
    is_whole = all(calendar.day(at - 1) < calendar.day(at) for at in bounds)
    return query.slice == "all" and "hour" not in query.by and is_whole


def _tasks_of(query: AnalyticsQuery) -> Select[Any]:
    """Select account and key of the tasks that may contribute to the sums."""
    wheres: list[ColumnElement[bool]] = []
    wheres += places(query, TASK)
    # A day of tolerance for skewed clocks. A task may be older than its first fact, and planned for later
    # than its last one.
    if query.until is not None:
        until = query.until + DAY_S
        wheres.append(or_(TASK.c.created_at < until, TASK.c.first_at < until, TASK.c.planned_at < until))
    if query.since is not None:
        since = query.since - DAY_S
        wheres.append(or_(TASK.c.last_at >= since, TASK.c.planned_at >= since))
    return select(TASK.c.account, TASK.c.key).where(*wheres)


@lru_cache(maxsize=512)
def _statement(query: AnalyticsQuery, table: Table, counts: tuple[str, ...]) -> Select[Any]:
    """Return the statement. It is kept, since building it takes as long as running it."""
    keys = _keys(query, table)
    wheres = _wheres(query, table)
    if table is ROLLUP_DAY and {"queue", "day"} <= set(query.by):
        # Grouping would remove few rows, and would take longer than reading them all.
        numbers = [table.c[name] for name in counts]
        return select(*keys, *numbers).where(*wheres, or_(*(number != 0 for number in numbers)))
    # PostgreSQL's sum of big integers is a decimal number.
    sums = [cast(func.sum(table.c[name]), BigInteger) for name in counts]
    statement = select(*(key.label(f"k{place}") for place, key in enumerate(keys)), *sums)
    grouped = statement.where(*wheres).group_by(*(f"k{place}" for place in range(len(keys))))
    return grouped.having(or_(*(func.sum(table.c[name]) != 0 for name in counts)))


def _wheres(query: AnalyticsQuery, table: Table) -> list[ColumnElement[bool]]:
    wheres = [table.c.basis == query.basis]
    calendar, since, until = query.calendar, query.since, query.until
    if table is ROLLUP_DAY:
        time_column = table.c.day
        since = calendar.day(since) if since is not None else None
        until = calendar.day(until) if until is not None else None
    else:
        time_column = table.c.hour
        wheres.append(table.c.slice == query.slice)
    if since is not None:
        wheres.append(time_column >= int(since))
    if until is not None:
        wheres.append(time_column < int(until))
    return [*wheres, *places(query, table)]


def places(query: AnalyticsQuery, table: Table) -> list[ColumnElement[bool]]:
    """Return the conditions that rows are of the query's accounts and queues."""
    accounts = [query.account] if query.account is not None else query.accounts
    queue_ids = [query.queue_id] if query.queue_id is not None else query.queue_ids
    pairs = ((table.c.account, accounts), (table.c.queue_id, queue_ids))
    return [column.in_(names) if len(names) > 1 else column == names[0] for column, names in pairs if names]


def _keys(query: AnalyticsQuery, table: Table) -> list[ColumnElement[Any]]:
    """Return the columns to group by. All dimensions of a slice are in its `value`."""
    keys: list[ColumnElement[Any]] = []
    if "account" in query.by:
        keys.append(table.c.account)
    if "queue" in query.by:
        keys.append(table.c.queue_id)
    if any(name in query.by for name in _DAYS):
        keys.append(table.c.day if table is ROLLUP_DAY else _local(query, table) // literal(DAY_S))
    if "hour" in query.by:
        keys.append(_local(query, table) // literal(HOUR_S) % literal(24))
    if query.slice != "all":
        keys.append(table.c.value)
    return keys


def _local(query: AnalyticsQuery, table: Table) -> ColumnElement[int]:
    """Return the start of the hour in the zone's local time."""
    hour = table.c.hour
    span = query.since or 0.0, query.until or time() + 2 * 366 * DAY_S
    (_, first), *later = query.calendar.offsets(max(span[0], _FIRST), span[1])
    if not later:
        return hour + literal(first)
    offsets = [first, *(offset for _, offset in later)]
    cases = [(hour < at, literal(before)) for before, (at, _) in zip(offsets, later, strict=False)]
    return hour + case(*cases, else_=literal(offsets[-1]))


_FIRST = 1_262_304_000.0
"""Epoch second of the year 2010: no task is older."""


def _group(
    query: AnalyticsQuery, rows: Sequence[Any], counts: Sequence[str]
) -> tuple[Sequence[GroupKey], CountColumns]:
    """Return keys and sums; rows with the same key, such as days of a week, are added."""
    if not rows:
        return [], dict.fromkeys(counts, ())
    columns = [*zip(*rows, strict=True)]
    keys, sums = [*_key_texts(query, columns, len(rows))], columns[-len(counts) :]
    if len({*keys}) < len(keys):
        together: dict[GroupKey, Sequence[int]] = {}
        for key, *numbers in zip(keys, *sums, strict=True):
            there = together.get(key)
            together[key] = [*map(add, there, numbers)] if there else numbers
        keys, sums = [*together], [*zip(*together.values(), strict=True)]
    return keys, dict(zip(counts, sums, strict=True))


def _key_texts(query: AnalyticsQuery, columns: Sequence[Sequence[Any]], rows: int) -> Iterable[GroupKey]:
    """Return the key of each row; `columns` begin with the columns of `_keys`."""
    remaining = iter(columns)
    texts: dict[str, Sequence[str]] = {}
    for name in ("account", "queue"):
        if name in query.by:
            texts[name] = next(remaining)
    if any(name in query.by for name in _DAYS):
        texts |= _name_values(next(remaining), _day_texts)
    if "hour" in query.by:
        texts["hour"] = [f"{hour:02}" for hour in next(remaining)]
    if query.slice != "all":
        texts |= _name_values(next(remaining), _SLICE_TEXTS[query.slice])
    empty = [""] * rows
    return zip(*(texts.get(name, empty) for name in query.by), strict=True) if query.by else [()] * rows


def _name_values(
    values: Sequence[Any], text_of: Callable[[Any], Mapping[str, str]]
) -> dict[str, Sequence[str]]:
    """Return dimension → the text of each value. Each distinct value is converted once."""
    texts = {value: text_of(value) for value in set(values)}
    names = next(iter(texts.values()), {})
    return {name: [texts[value][name] for value in values] for name in names}


def _split_in_two(first: str, second: str) -> Callable[[str], Mapping[str, str]]:
    def split(value: str) -> Mapping[str, str]:
        return dict(zip((first, second), (*value.split("/", 1), ""), strict=False))

    return split


_SLICE_TEXTS: Mapping[str, Callable[[str], Mapping[str, str]]] = {
    "attempt": _split_in_two("attempt", "gap"),
    "reason": _split_in_two("reason", "leg"),
    "word": _split_in_two("reason", "word"),
    "extension": lambda value: {"extension": value},
    "connect": lambda value: {"value": value},
    "lateness": lambda value: {"value": value},
}


def _day_texts(number: int) -> dict[str, str]:
    day = date_of(number)
    year, week, weekday = day.isocalendar()
    return {
        "day": day.isoformat(),
        "week": f"{year}-W{week:02}",
        "month": f"{day:%Y-%m}",
        "weekday": f"{weekday} {WEEKDAYS[weekday - 1]}",
    }
