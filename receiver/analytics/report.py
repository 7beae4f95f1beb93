"""One figure answered: rows, a total, and how it is to be read."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from operator import add

from sqlalchemy import Connection

from receiver.analytics.intervals import Share, share
from receiver.analytics.measures import Column, Figure, Sum, counts_of
from receiver.analytics.query import Dimension, Question, slice_of
from receiver.analytics.rollup_query import Columns, Key, Read, reading
from receiver.analytics.rollups import count_uncounted
from receiver.domain.frozen_record import frozen_record

FEW = 30
"""A share of fewer than so many is greyed: its interval says how little it tells."""

_QUANTILES = (("p50", 0.5), ("p90", 0.9))

Value = int | float | None | Share


@frozen_record(frozen=True, slots=True)
class Line:
    """One row: a text for each dimension, and the figure's values by name."""

    key: Key
    values: Mapping[str, Value]


@frozen_record(frozen=True, slots=True)
class Report:
    """A figure's answer. `total`: of all that was asked about; `notes`: what has to be known to read it."""

    figure: Figure
    question: Question
    lines: Sequence[Line]
    total: Mapping[str, Value]
    read_from: str
    notes: Sequence[str]


def report(connection: Connection, figure: Figure, question: Question) -> Report:
    """The figure by the question's dimensions. Raises InputError where these are not counted together."""
    asked, whole = replace(question, slice=slice_of(question.by)), replace(question, by=())
    counts = counts_of(figure)
    with reading(connection) as read:
        answer = read(asked, counts)
        # In another slice a task may have a part in several groups, or in none.
        every = answer.columns if asked.slice == "all" else read(whole, counts).columns
        spreads = _spreads(read, figure, question)
    order = _in_order(figure, answer.keys, answer.columns)
    keys = [answer.keys[at] for at in order]
    columns = {name: [column[at] for at in order] for name, column in answer.columns.items()}
    values = _values(figure, columns, _parts_of(figure, question, keys, columns))
    if figure.quantiles:
        values = [
            one | _quantiles(figure, spreads.get(key, {})) for key, one in zip(keys, values, strict=True)
        ]
    total = _total(figure, columns if _has_parts(figure) else every, spreads)
    lines = [*map(Line, keys, values)]
    return Report(figure, question, lines, total, answer.read_from, _notes(connection, question))


def _has_parts(figure: Figure) -> bool:
    return any(column.name == "part" for column in figure.columns)


def _in_order(figure: Figure, keys: Sequence[Key], columns: Columns) -> Sequence[int]:
    """Places of the keys that say something. Attempts and gaps in the order of their numbers, all else by
    name; or the largest group first.
    """
    places = _meaningful(figure, keys, columns)
    if figure.largest_first:
        return sorted(places, key=lambda at: (-columns["tasks"][at], keys[at]))
    ranks = {text: rank for rank, text in enumerate(sorted({*chain.from_iterable(keys)}, key=_by_number))}
    return sorted(places, key=[tuple(map(ranks.__getitem__, key)) for key in keys].__getitem__)


def _meaningful(figure: Figure, keys: Sequence[Key], columns: Columns) -> Sequence[int]:
    """Without groups that have no attempts, in a figure of attempts: such as tasks under their last one; and
    without successes where reasons are asked for.
    """
    if _has_parts(figure):
        return [at for at, key in enumerate(keys) if "connected" not in key]
    if figure.counts == "tasks":
        return range(len(keys))
    return [at for at, number in enumerate(columns["attempts"]) if number]


def _by_number(text: str) -> tuple[int, float, str]:
    return (0, float(text), text) if text.isdecimal() else (1, 0.0, text)


def _parts_of(figure: Figure, question: Question, keys: Sequence[Key], columns: Columns) -> Sequence[int]:
    """For each key all tasks of the groups that differ from it by reason, leg or word only."""
    if not _has_parts(figure):
        return []
    places = [at for at, name in enumerate(question.by) if name not in ("reason", "leg", "word")]
    wider = [tuple(key[at] for at in places) for key in keys]
    sums: dict[Key, int] = defaultdict(int)
    for key, tasks in zip(wider, columns["tasks"], strict=True):
        sums[key] += tasks
    return [sums[key] for key in wider]


Spread = Mapping[float, int]
"""Value → how often."""

Spreads = Mapping[Key, Mapping[str, Spread]]
"""Key → name of the quantiles → what they are of."""


def _values(figure: Figure, columns: Columns, parts: Sequence[int]) -> list[dict[str, Value]]:
    """The figure's values for each key."""
    names = [column.name for column in figure.columns]
    values = [_column(column, columns, parts) for column in figure.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def _column(column: Column, columns: Columns, parts: Sequence[int]) -> Iterable[Value]:
    numbers = _added(column.of, columns)
    if column.name == "part":
        return map(share, numbers, parts)
    if column.among:
        return map(share, numbers, _added(column.among, columns))
    if column.per:
        per = _added(column.per, columns)
        return [round(of / n / 1000, 3) if n else None for of, n in zip(numbers, per, strict=True)]
    return numbers


def _added(names: Sum, columns: Columns) -> Sequence[int]:
    one, *more = (columns[name] for name in names)
    for other in more:
        one = [*map(add, one, other)]
    return one


def _total(figure: Figure, columns: Columns, spreads: Spreads) -> Mapping[str, Value]:
    """Of all groups together."""
    sums = {name: [sum(column)] for name, column in columns.items()}
    (values,) = _values(figure, sums, sums.get("tasks", []))
    together: dict[str, dict[float, int]] = defaultdict(lambda: defaultdict(int))
    for by_name in spreads.values():
        for name, spread in by_name.items():
            for value, number in spread.items():
                together[name][value] += number
    return values | _quantiles(figure, together)


def _quantiles(figure: Figure, spreads: Mapping[str, Spread]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for each in figure.quantiles:
        spread = spreads.get(each.name, {})
        values[f"{each.name}_n"] = sum(spread.values())
        values |= {f"{each.name}_{label}": quantile(spread, part) for label, part in _QUANTILES}
    return values


def quantile(spread: Spread, part: float) -> float | None:
    """The smallest value that at least this part does not exceed; `spread`: value → how often."""
    left = part * sum(spread.values())
    for value, number in sorted(spread.items()):
        left -= number
        if left <= 1e-9:
            return value
    return None


def _spreads(read: Read, figure: Figure, question: Question) -> Spreads:
    found: dict[Key, dict[str, dict[float, int]]] = defaultdict(lambda: defaultdict(dict))
    for each in figure.quantiles:
        by: tuple[Dimension, ...] = (*question.by, "attempt" if each.of == "attempt" else "value")
        answer = read(replace(question, by=by, slice=each.of), (each.counted,))
        for (*key, value), number in zip(answer.keys, answer.columns[each.counted], strict=True):
            found[tuple(key)][each.name][float(value)] = number
    return found


def _notes(connection: Connection, question: Question) -> list[str]:
    uncounted = count_uncounted(connection, question.account)
    if not uncounted:
        return []
    return [
        f"{uncounted} tasks of an older version are in no figure: run `receiver rebuild`, beside serve too"
    ]
