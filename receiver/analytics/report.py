"""A report: the rows and the total of one measure, and notes on how to read them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from operator import add

from sqlalchemy import Connection, select

from receiver.analytics.intervals import Share, share
from receiver.analytics.measures import CountNames, Measure, MeasureColumn, counts_of
from receiver.analytics.query import AnalyticsQuery, Dimension, slice_of
from receiver.analytics.rollup_query import CountColumns, GroupKey, RollupReader, rollup_reader
from receiver.analytics.rollups import count_uncounted
from receiver.domain.calendar import Calendar
from receiver.domain.frozen_record import frozen_record
from receiver.storage.once import once
from receiver.tasks.names import known_queues
from receiver.tasks.tables import TASK

FEW = 30
"""Sample size below which a share is dimmed: its interval is too wide to go by."""

_QUANTILES = (("p50", 0.5), ("p90", 0.9))

Value = int | float | None | Share


@frozen_record
class ReportRow:
    """One group: a text for each dimension, and the measure's values by name."""

    key: GroupKey
    values: Mapping[str, Value]


@frozen_record
class MeasureReport:
    """The answer to a query. `total`: the values of all groups together; `notes`: warnings for the reader;
    `queue_names`: id → name of the queues in the rows.
    """

    measure: Measure
    query: AnalyticsQuery
    lines: Sequence[ReportRow]
    total: Mapping[str, Value]
    read_from: str
    notes: Sequence[str]
    queue_names: Mapping[str, str]


def build_report(connection: Connection, measure: Measure, query: AnalyticsQuery) -> MeasureReport:
    """Return the measure by the query's dimensions. Raises InputError if these are not counted together."""
    sliced, counts = replace(query, slice=slice_of(query.by)), counts_of(measure)
    with rollup_reader(connection) as read:
        sums = read(sliced, counts)
        columns = sums.columns
        if sliced.slice != "all" and not measure.has_parts:
            # In another slice a task is counted in several groups, or in none.
            columns = read(replace(query, by=()), counts).columns
        spreads = _read_spreads(read, measure, query)
    order = _order(measure, sums.keys, sums.columns)
    keys = [sums.keys[at] for at in order]
    ordered = {name: [column[at] for at in order] for name, column in sums.columns.items()}
    values = _values(measure, ordered, _group_sizes(query, keys, ordered) if measure.has_parts else ())
    if measure.quantiles:
        values = [
            row | _quantiles(measure, spreads.get(key, {})) for key, row in zip(keys, values, strict=True)
        ]
    total = _total(measure, ordered if measure.has_parts else columns, spreads)
    rows = [*map(ReportRow, keys, values)]
    notes = _notes(connection, query, is_empty=not any(map(any, sums.columns.values())))
    names = _queue_names(connection, query)
    return MeasureReport(measure, query, rows, total, sums.read_from, notes, names)


def _order(measure: Measure, keys: Sequence[GroupKey], columns: CountColumns) -> Sequence[int]:
    """Return the places of the groups to show, in order: the largest first, or by key, numbers by value.

    Left out are successes among failure reasons, and groups without attempts of a measure of attempts.
    """
    places: Sequence[int] = range(len(keys))
    if measure.has_parts:
        places = [at for at in places if "connected" not in keys[at]]
    elif measure.counts == "attempts":
        places = [at for at in places if columns["attempts"][at]]
    if measure.largest_first:
        return sorted(places, key=lambda at: (-columns["tasks"][at], keys[at]))
    texts = {text for key in keys for text in key}
    numbers = {text: (0, float(text), text) if text.isdecimal() else (1, 0.0, text) for text in texts}
    ranks = {text: rank for rank, text in enumerate(sorted(texts, key=numbers.__getitem__))}
    return sorted(places, key=[tuple(map(ranks.__getitem__, key)) for key in keys].__getitem__)


def _group_sizes(query: AnalyticsQuery, keys: Sequence[GroupKey], columns: CountColumns) -> Sequence[int]:
    """Return for each key the tasks of all keys that differ from it only by reason, leg or word."""
    places = [at for at, name in enumerate(query.by) if name not in ("reason", "leg", "word")]
    wider = [tuple(key[at] for at in places) for key in keys]
    sums: dict[GroupKey, int] = defaultdict(int)
    for key, tasks in zip(wider, columns["tasks"], strict=True):
        sums[key] += tasks
    return [sums[key] for key in wider]


Spread = Mapping[float, int]
"""Value → number of times that it was counted."""

Spreads = Mapping[GroupKey, Mapping[str, Spread]]
"""Key → name of the quantiles → their spread."""


def _values(measure: Measure, columns: CountColumns, group_sizes: Sequence[int]) -> list[dict[str, Value]]:
    """Return the measure's values for each key."""
    names = [column.name for column in measure.columns]
    values = [_column_values(column, columns, group_sizes) for column in measure.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def _column_values(
    column: MeasureColumn, columns: CountColumns, group_sizes: Sequence[int]
) -> Iterable[Value]:
    numbers = _added(column.of, columns)
    if column.name == "part":
        return map(share, numbers, group_sizes)
    if column.among:
        return map(share, numbers, _added(column.among, columns))
    if column.per:
        per = _added(column.per, columns)
        return [round(of / n / 1000, 3) if n else None for of, n in zip(numbers, per, strict=True)]
    return numbers


def _added(names: CountNames, columns: CountColumns) -> Sequence[int]:
    first, *others = (columns[name] for name in names)
    for other in others:
        first = [*map(add, first, other)]
    return first


def _total(measure: Measure, columns: CountColumns, spreads: Spreads) -> Mapping[str, Value]:
    """Return the values of all groups together."""
    sums = {name: [sum(column)] for name, column in columns.items()}
    (values,) = _values(measure, sums, sums.get("tasks", []))
    together: dict[str, dict[float, int]] = defaultdict(lambda: defaultdict(int))
    for by_name in spreads.values():
        for name, spread in by_name.items():
            for value, number in spread.items():
                together[name][value] += number
    return values | _quantiles(measure, together)


def _quantiles(measure: Measure, spreads: Mapping[str, Spread]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for quantiles in measure.quantiles:
        spread = spreads.get(quantiles.name, {})
        values[f"{quantiles.name}_n"] = sum(spread.values())
        values |= {f"{quantiles.name}_{label}": quantile(spread, part) for label, part in _QUANTILES}
    return values


def quantile(spread: Spread, part: float) -> float | None:
    """Return the smallest value that at least this part of the counts does not exceed."""
    left = part * sum(spread.values())
    for value, number in sorted(spread.items()):
        left -= number
        if left <= 1e-9:
            return value
    return None


def _read_spreads(read: RollupReader, measure: Measure, query: AnalyticsQuery) -> Spreads:
    found: dict[GroupKey, dict[str, dict[float, int]]] = defaultdict(lambda: defaultdict(dict))
    for quantiles in measure.quantiles:
        by: tuple[Dimension, ...] = (*query.by, "attempt" if quantiles.of == "attempt" else "value")
        sums = read(replace(query, by=by, slice=quantiles.of), (quantiles.counted,))
        for (*key, value), number in zip(sums.keys, sums.columns[quantiles.counted], strict=True):
            found[tuple(key)][quantiles.name][float(value)] = number
    return found


def _notes(connection: Connection, query: AnalyticsQuery, *, is_empty: bool) -> list[str]:
    uncounted = once(connection, count_uncounted, query.account)
    text = f"{uncounted} tasks of an older version are not counted: run `receiver rebuild` (beside `serve`)"
    notes = [text] if uncounted else []
    if is_empty and (query.since is not None or query.until is not None):
        notes.append(once(connection, _available, query.account, query.queue_id, query.calendar))
    return notes


def _available(connection: Connection, account: str | None, queue_id: str | None, calendar: Calendar) -> str:
    """Return a note from when to when there are tasks, for a period without any."""
    scope = {"account": account, "queue_id": queue_id}
    wheres = [TASK.c[name] == value for name, value in scope.items() if value is not None]
    orders = (TASK.c.first_at, TASK.c.first_at.desc())
    ends = [select(TASK.c.first_at).where(*wheres).order_by(order).limit(1) for order in orders]
    moments = [at for at in map(connection.scalar, ends) if at is not None]
    if not moments:
        return "none in this period, and there are no tasks at any other time"
    first, last = (calendar.local(at).strftime("%Y-%m-%d") for at in moments)
    return f"none in this period; there are tasks from {first} to {last} ({calendar.name})"


def _queue_names(connection: Connection, query: AnalyticsQuery) -> dict[str, str]:
    """Return the names of queues, if the rows are by queue. Queues of several accounts may share an id."""
    if "queue" not in query.by:
        return {}
    found: dict[str, set[str]] = defaultdict(set)
    for queue in once(connection, known_queues, query.account):
        if queue.name:
            found[queue.queue_id].add(queue.name)
    return {queue_id: " / ".join(sorted(names)) for queue_id, names in found.items()}
