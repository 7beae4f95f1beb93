"""Reads the sums: one statement for each question."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
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

from receiver.analytics.calendar import DAY_S, HOUR_S, date_of
from receiver.analytics.query import WEEKDAYS, Dimension, Question
from receiver.analytics.rollup_check import count_again, scratch
from receiver.analytics.rollups import Deltas, RollupCalendar, rollup_calendar
from receiver.analytics.tables import ROLLUP, ROLLUP_DAY
from receiver.tasks.tables import TASK

Key = tuple[str, ...]
"""One text for each dimension."""

Columns = Mapping[str, Sequence[int]]
"""Name of a count → its sums, one for each key: there may be thousands, and a column is quicker than rows."""

_QUARTER_S = 900
_DAYS: tuple[Dimension, ...] = ("day", "week", "month", "weekday")


class Answer(NamedTuple):
    """`read_from`: `rollup`, or `tasks` where the sums that are kept have other hours than the zone."""

    keys: Sequence[Key]
    columns: Columns
    read_from: str


Read = Callable[[Question, Sequence[str]], Answer]
"""The sums of these names, by the question's dimensions."""


@contextmanager
def reading(connection: Connection) -> Iterator[Read]:
    """For several questions about the same tasks, which are counted at most once."""
    kept = rollup_calendar(connection)
    with ExitStack() as stack:
        counted = cache(lambda scope: stack.enter_context(_counted(connection, scope)))

        def read_one(question: Question, counts: Sequence[str]) -> Answer:
            source, table, read_from = connection, _table(connection, question, kept), "rollup"
            if table is None:
                scope = replace(question, by=(), basis="created", slice="all")
                source, table, read_from = counted(scope), ROLLUP, "tasks"
            rows = source.execute(_statement(question, table, counts)).all()
            return Answer(*_grouped(question, rows, counts), read_from)

        yield read_one


def _table(connection: Connection, question: Question, kept: RollupCalendar) -> Table | None:
    """Where the sums are: by days, or by hours; None where neither are those of the question's zone."""
    if not kept.complete:
        return None
    if kept.calendar.name == question.calendar.name and _is_by_day(question):
        return ROLLUP_DAY
    return ROLLUP if question.calendar.phase(*_span(connection, question)) == kept.phase else None


@contextmanager
def _counted(connection: Connection, scope: Question) -> Iterator[Connection]:
    """The sums by quarters of hours, counted for this one answer."""
    with scratch() as into:
        deltas = Deltas(RollupCalendar(scope.calendar, 0, True), step=_QUARTER_S)
        count_again(connection, deltas, into, _tasks_of(scope))
        yield into


def _span(connection: Connection, question: Question) -> tuple[float, float]:
    """From when to when there is anything to ask about."""
    since, until = question.since, question.until
    if since is None or until is None:
        first, last = connection.execute(
            select(_outermost(question, func.min), _outermost(question, func.max))
        ).one()
        since = since if since is not None else (first if first is not None else time())
        until = until if until is not None else (last if last is not None else since) + HOUR_S
    return since, max(since, until)


def _outermost(question: Question, which: Any) -> Any:
    """The first or the last hour. Each on its own, or SQLite would read all that lies between the two."""
    there = ROLLUP.c.basis == question.basis, ROLLUP.c.slice == question.slice
    return select(which(ROLLUP.c.hour)).where(*there).scalar_subquery()


def _is_by_day(question: Question) -> bool:
    """Whether whole days are asked about, and nothing but days."""
    calendar = question.calendar
    bounds = [at for at in (question.since, question.until) if at is not None]
    is_whole = all(calendar.day(at - 1) < calendar.day(at) for at in bounds)
    return question.slice == "all" and "hour" not in question.by and is_whole


def _tasks_of(question: Question) -> Select[Any]:
    """The tasks that may have a part in the answer."""
    wheres: list[ColumnElement[bool]] = []
    if question.account is not None:
        wheres.append(TASK.c.account == question.account)
    if question.queue_id is not None:
        wheres.append(TASK.c.queue_id == question.queue_id)
    # A day's grace, since clocks may be skewed; a task may be older than anything that was heard of it.
    if question.until is not None:
        until = question.until + DAY_S
        wheres.append(or_(TASK.c.created_at < until, TASK.c.first_at < until))
    if question.since is not None:
        wheres.append(TASK.c.last_at >= question.since - DAY_S)
    return select(TASK.c.account, TASK.c.key).where(*wheres)


def _statement(question: Question, table: Table, counts: Sequence[str]) -> Select[Any]:
    keys = _keys(question, table)
    wheres = _wheres(question, table)
    if table is ROLLUP_DAY and {"queue", "day"} <= set(question.by):
        # Rows hardly fewer than there are: to group them would take longer than to read them.
        numbers = [table.c[name] for name in counts]
        return select(*keys, *numbers).where(*wheres, or_(*(number != 0 for number in numbers)))
    # PostgreSQL's sum of big integers is a decimal number.
    sums = [cast(func.sum(table.c[name]), BigInteger) for name in counts]
    query = select(*(key.label(f"k{place}") for place, key in enumerate(keys)), *sums)
    grouped = query.where(*wheres).group_by(*(f"k{place}" for place in range(len(keys))))
    return grouped.having(or_(*(func.sum(table.c[name]) != 0 for name in counts)))


def _wheres(question: Question, table: Table) -> list[ColumnElement[bool]]:
    wheres = [table.c.basis == question.basis]
    calendar, since, until = question.calendar, question.since, question.until
    if table is ROLLUP_DAY:
        time_column = table.c.day
        since = calendar.day(since) if since is not None else None
        until = calendar.day(until) if until is not None else None
    else:
        time_column = table.c.hour
        wheres.append(table.c.slice == question.slice)
    if since is not None:
        wheres.append(time_column >= int(since))
    if until is not None:
        wheres.append(time_column < int(until))
    if question.account is not None:
        wheres.append(table.c.account == question.account)
    if question.queue_id is not None:
        wheres.append(table.c.queue_id == question.queue_id)
    return wheres


def _keys(question: Question, table: Table) -> list[ColumnElement[Any]]:
    """One column for each that rows are told apart by; all dimensions of a slice are in its one value."""
    keys: list[ColumnElement[Any]] = []
    if "account" in question.by:
        keys.append(table.c.account)
    if "queue" in question.by:
        keys.append(table.c.queue_id)
    if any(name in question.by for name in _DAYS):
        keys.append(table.c.day if table is ROLLUP_DAY else _local(question, table) // literal(DAY_S))
    if "hour" in question.by:
        keys.append(_local(question, table) // literal(HOUR_S) % literal(24))
    if question.slice != "all":
        keys.append(table.c.value)
    return keys


def _local(question: Question, table: Table) -> ColumnElement[int]:
    """The hour's beginning by the zone's clocks."""
    hour = table.c.hour
    span = question.since or 0.0, question.until or time() + 2 * 366 * DAY_S
    (_, first), *later = question.calendar.offsets(max(span[0], _FIRST), span[1])
    if not later:
        return hour + literal(first)
    offsets = [first, *(offset for _, offset in later)]
    cases = [(hour < at, literal(before)) for before, (at, _) in zip(offsets, later, strict=False)]
    return hour + case(*cases, else_=literal(offsets[-1]))


_FIRST = 1_262_304_000.0
"""2010: no task is older."""


def _grouped(question: Question, rows: Sequence[Any], counts: Sequence[str]) -> tuple[Sequence[Key], Columns]:
    """Keys and sums: weeks, weekdays, parts of a value put together."""
    if not rows:
        return [], dict.fromkeys(counts, ())
    columns = [*zip(*rows, strict=True)]
    keys, sums = [*_texts(question, columns, len(rows))], columns[-len(counts) :]
    if len({*keys}) < len(keys):
        together: dict[Key, Sequence[int]] = {}
        for key, *numbers in zip(keys, *sums, strict=True):
            there = together.get(key)
            together[key] = [*map(add, there, numbers)] if there else numbers
        keys, sums = [*together], [*zip(*together.values(), strict=True)]
    return keys, dict(zip(counts, sums, strict=True))


def _texts(question: Question, columns: Sequence[Sequence[Any]], rows: int) -> Iterable[Key]:
    """The keys of so many rows; `columns` begin with those that they were grouped by."""
    left = iter(columns)
    texts: dict[str, Sequence[str]] = {}
    for name in ("account", "queue"):
        if name in question.by:
            texts[name] = next(left)
    if any(name in question.by for name in _DAYS):
        texts |= _named(next(left), _day_texts)
    if "hour" in question.by:
        texts["hour"] = [f"{hour:02}" for hour in next(left)]
    if question.slice != "all":
        texts |= _named(next(left), _SLICE_TEXTS[question.slice])
    empty = [""] * rows
    return zip(*(texts.get(name, empty) for name in question.by), strict=True) if question.by else [()] * rows


def _named(values: Sequence[Any], text_of: Callable[[Any], Mapping[str, str]]) -> dict[str, Sequence[str]]:
    """Dimension → the texts of these values, of which there are fewer than rows."""
    texts = {value: text_of(value) for value in set(values)}
    names = next(iter(texts.values()), {})
    return {name: [texts[value][name] for value in values] for name in names}


def _in_two(first: str, second: str) -> Callable[[str], Mapping[str, str]]:
    def split(value: str) -> Mapping[str, str]:
        return dict(zip((first, second), (*value.split("/", 1), ""), strict=False))

    return split


_SLICE_TEXTS: Mapping[str, Callable[[str], Mapping[str, str]]] = {
    "attempt": _in_two("attempt", "gap"),
    "reason": _in_two("reason", "leg"),
    "word": _in_two("reason", "word"),
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
