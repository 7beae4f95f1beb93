"""Tables for people: they fit the terminal without breaking words or ids. And the same rows as CSV."""

import csv
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from receiver.cli.times import Moment, display, times

NOTHING = "–"

_LEAST_TEXT = 24
"""Width in characters that a column of texts keeps as long as optional columns can be hidden instead."""

_FORMS: tuple[Callable[[Moment], str], ...] = (
    lambda moment: f"{moment.dated}, {moment.age}",
    lambda moment: f"{moment.short}, {moment.age}",
    lambda moment: moment.short,
    lambda moment: moment.dated[5:],
)
"""Forms of a moment, from long to short."""


class Column(NamedTuple):
    """A column of a table. `optional`: it is hidden if the terminal is too narrow, the last one first;
    `right`: its numbers end at the right.
    """

    name: str
    optional: bool = False
    right: bool = False


class Layout(NamedTuple):
    """A table that fits. `at`: the indexes of the columns that are shown; `widths`: of these; `gap`: spaces
    between two columns.
    """

    at: list[int]
    widths: list[int]
    cells: list[list[Text]]
    gap: int


def write_csv(columns: Sequence[Column], rows: Iterable[Sequence[object]]) -> None:
    """Write the rows to standard output as CSV, with a header line. Moments are in ISO 8601."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    writer.writerows([_csv_cell(value) for value in row] for row in rows)


def _csv_cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return value.iso if isinstance(value, Moment) else "" if value is None else value


def width_of(console: Console) -> int | None:
    """Return the width of the terminal or of $COLUMNS; None if the output is a file or a pipe."""
    return console.width if console.is_terminal or os.environ.get("COLUMNS") else None


def print_fitting(
    console: Console, title: str, columns: Sequence[Column], rows: Sequence[Sequence[object]]
) -> None:
    """Print a table that fits the console, as records if its columns cannot be beside each other."""
    zone = times().calendar.name if any(isinstance(cell, Moment) for row in rows for cell in row) else None
    head = f"{title}  (times: {zone})" if zone else title
    width = width_of(console)
    layout = _fit(columns, rows, width)
    if layout is None:
        _print_records(console, head, columns, rows)
        return
    hidden = [at for at in range(len(columns)) if at not in layout.at]
    same = [at for at in hidden if columns[at].name == "account" and _is_same(rows, at)]
    head += "".join(f"  {columns[at].name}: {rows[0][at]}" for at in same)
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, layout.gap - 1, 0, 0), header_style="bold")
    for at, size in zip(layout.at, layout.widths, strict=True):
        justify: JustifyMethod = "right" if columns[at].right else "left"
        table.add_column(columns[at].name, width=size, overflow="fold", justify=justify)
    for line in layout.cells:
        table.add_row(*line)
    console.print(Text(head, "italic"), end="\n\n")
    if width is None:  # Rich takes 80 for the width of a file
        Console(width=max(1, sum(layout.widths) + layout.gap * len(layout.at))).print(table)
    else:
        console.print(table, soft_wrap=False)
    if names := [columns[at].name for at in hidden if at not in same and not _is_empty(rows, at)]:
        way = "a wider terminal" if display().csv is None else "a wider terminal, or --csv"
        console.print(Text(f"Not shown: {', '.join(names)}. Use {way}.", "dim"))
    console.print()


def _is_same(rows: Sequence[Sequence[object]], at: int) -> bool:
    """Return whether all rows, and there are several, have the same value in a column."""
    return len(rows) > 1 and all(row[at] == rows[0][at] for row in rows) and rows[0][at] not in (None, "")


def _is_empty(rows: Sequence[Sequence[object]], at: int) -> bool:
    return all(row[at] in (None, "") for row in rows)


def _fit(columns: Sequence[Column], rows: Sequence[Sequence[object]], width: int | None) -> Layout | None:
    """Return the first layout that fits the width; None if there is none.

    Tried one after the other: short moments; less space; without empty columns; the account in the title, if
    there is only one; without optional columns; without ages; with texts in more lines.
    """
    shown = list(range(len(columns)))
    hidden = [at for at in shown if rows and _is_empty(rows, at)]
    hidden += [at for at in shown if columns[at].name == "account" and _is_same(rows, at)]
    hidden += [at for at in reversed(shown) if columns[at].optional and at not in hidden]
    kept = [[at for at in shown if at not in hidden[:count]] for count in range(len(hidden) + 1)]
    tries = [(shown, 0, _LEAST_TEXT, 2), (shown, 1, _LEAST_TEXT, 2), (shown, 1, _LEAST_TEXT, 1)]
    tries += [(at, 1, _LEAST_TEXT, 2) for at in kept]
    tries.append((kept[-1], 1, _LEAST_TEXT, 1))
    tries += [(at, 2, least, 2) for least in (_LEAST_TEXT, 1) for at in kept]
    tries += [(kept[-1], 3, 1, 2), (kept[-1], 3, 1, 1)]
    for at, form, least, gap in tries:
        cells = [[_cell(row[index], form) for index in at] for row in rows]
        heads = [columns[index].name for index in at]
        widths = _widths(heads, cells, None if width is None else width - gap * len(at) + 1, least)
        if widths:
            return Layout(at, widths, cells, gap)
    return None


def _widths(
    heads: Sequence[str], cells: Sequence[Sequence[Text]], room: int | None, least: int
) -> list[int] | None:
    """Return widths of columns that fit the room together; None if there are none.

    The widest texts become narrower, down to `least` or their longest word.
    """
    texts = [[Text(head), *(row[at] for row in cells)] for at, head in enumerate(heads)]
    widths = [max(text.cell_len for text in lines) for lines in texts]
    floors = [
        min(wide, max(least, *(_longest_word(text) for text in lines)))
        for wide, lines in zip(widths, texts, strict=True)
    ]
    if room is None:
        return widths
    while (over := sum(widths) - room) > 0:
        spare = max(range(len(widths)), key=lambda at: widths[at] - floors[at], default=0)
        if not widths or widths[spare] <= floors[spare]:
            return None
        widths[spare] -= min(over, widths[spare] - floors[spare], max(1, over // 2))
    return widths


def _longest_word(text: Text) -> int:
    """Return the width of the longest part that stays in one line."""
    return max(map(cell_len, [text.plain] if text.no_wrap else text.plain.split()), default=0)


def _cell(value: object, form: int) -> Text:
    """Return the text of a cell. Markup in it is not interpreted. Moments do not wrap."""
    if isinstance(value, Moment):
        return Text(_FORMS[form](value), no_wrap=True)
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    return value if isinstance(value, Text) else Text(NOTHING if value in (None, "") else str(value))


def _print_records(
    console: Console, head: str, columns: Sequence[Column], rows: Sequence[Sequence[object]]
) -> None:
    """Print each row as lines of name and value."""
    console.print(Text(head, "italic"))
    least = max(len(column.name) for column in columns)
    for row in rows:
        console.print()
        for column, value in zip(columns, row, strict=True):
            console.print(Text.assemble((f"  {column.name:<{least}}  ", "bold"), _cell(value, 0)))
