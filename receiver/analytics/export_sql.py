"""SQL of exports. Values have the same text on both databases; moments are in UTC with milliseconds."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection

from receiver.analytics.export_pages import MARK, ExportPage, parts
from receiver.analytics.formulas import BEGINS, NUMBERS
from receiver.analytics.view_sql import shown
from receiver.analytics.views import Relation, ViewColumn
from receiver.domain.masking import mask_tree
from receiver.storage.bulk import copied, fetched

_SPECIAL = '*[,"\r\n]*'
"""GLOB pattern of texts that CSV must quote."""

_BEGINS = ", ".join(str(ord(character)) for character in BEGINS)

_MARK = "\x01"
"""Separator before each text where several texts are matched at once."""


def rows(connection: Connection, page: ExportPage) -> Iterator[tuple[Any, ...]]:
    """Return the rows of a page, each with its position first; moments and booleans are texts."""
    begin = [column for column, _ in parts(page.selection.relation)]
    columns = [_written(field, page) for field in page.selection.relation.fields]
    found = fetched(connection, page.query([*begin, *columns]), *page.values)
    width = len(begin)
    made = ((MARK.join(map(str, row[:width])), *row[width:]) for row in found)
    return _masked(made, page.selection.relation) if page.selection.masks_documents else made


def _masked(made: Iterator[tuple[Any, ...]], relation: Relation) -> Iterator[tuple[Any, ...]]:
    places = {place for place, field in enumerate(relation.fields, 1) if field.kind == "json"}
    for row in made:
        yield tuple(_mask(value) if place in places else value for place, value in enumerate(row))


def _mask(document: str) -> str:
    return orjson.dumps(mask_tree(orjson.loads(document))).decode()


def lines(connection: Connection, page: ExportPage) -> tuple[int, bytes]:
    """Return the number of rows of a page and their CSV lines, written by the database, position first."""
    if page.dialect == "postgresql":
        position = f" || '{MARK}' || ".join(f"{column}::text" for column, _ in parts(page.selection.relation))
        columns = [_cell(field, page) for field in page.selection.relation.fields]
        written = copied(connection, page.query([position, *columns]), *page.values)
        return len(written), b"".join(written)
    line = _sqlite_line(page)
    # Python formats the numbers, since SQLite does not format them exactly.
    form = '"' + MARK.join(["%s"] * (len(line) - 1)) + "%s\n"
    made = [form % row for row in fetched(connection, page.query(line), *page.values)]
    return len(made), "".join(made).encode()


def _sqlite_line(page: ExportPage) -> list[str]:
    """Return the columns of a line: the numbers of the position, and all the rest as one text.

    Texts are quoted one by one only in lines where one needs it; in every line that would double the time.
    """
    relation = page.selection.relation
    numbers = [column for column, kind in parts(relation) if kind is not str]
    names = [column for column, kind in parts(relation) if kind is str]
    texts = [*names, *(field.source for field in relation.fields if _is_text(field))]
    phones = [field.source for field in relation.fields if field.kind == "number"]
    others = [text for text in texts if text not in phones]
    is_special = " OR ".join(
        [
            f"{_printed('%s' * len(texts), texts)} GLOB '{_SPECIAL}'",
            f"{_printed(f'{_MARK}%s' * len(others), others)} GLOB '*{_MARK}[{BEGINS}]*'",
            *(f"{phone} GLOB '*[^{NUMBERS}]*'" for phone in phones),
        ]
    )
    special, plain = (_behind_numbers(page, names, is_special=each) for each in (True, False))
    return [*numbers, f"CASE WHEN {is_special} THEN {special} ELSE {plain} END"]


def _behind_numbers(page: ExportPage, names: Sequence[str], *, is_special: bool) -> str:
    """Return SQL for the rest of the position, which is always quoted, and the columns."""
    fields = page.selection.relation.fields
    begin = f"'{MARK}' || " if names and len(names) < len(page.selection.relation.order) else ""
    position = begin + (f" || '{MARK}' || ".join(names) or "''")
    if is_special:
        position = _doubled(position)
        cells = [_quoted(_cell(field, page), field) for field in fields]
    else:
        cells = [_written(field, page) for field in fields]
    return _printed(f'%s"{",%s" * len(cells)}', [position, *cells])


def _cell(field: ViewColumn, page: ExportPage) -> str:
    """Return the SQL of a cell, with an apostrophe before formulas, as `as_text` does it."""
    cell, text = _written(field, page), field.source
    if not _is_text(field):
        return cell
    if page.dialect == "postgresql":
        first, is_no_number = "ascii", f"~ '[^{NUMBERS}]'"
    else:
        first, is_no_number = "unicode", f"GLOB '*[^{NUMBERS}]*'"
    # Nearly no cell begins like a formula: comparing its first character is faster than a pattern.
    is_formula = f"{first}({text}) IN ({_BEGINS}) AND {text} {is_no_number}"
    return f"CASE WHEN {is_formula} THEN '''' || {cell} ELSE {cell} END"


def _quoted(cell: str, field: ViewColumn) -> str:
    """Return the SQL of a cell, quoted if its text needs it."""
    if not _is_text(field):
        return cell
    return f"CASE WHEN {field.source} GLOB '{_SPECIAL}' THEN '\"' || {_doubled(cell)} || '\"' ELSE {cell} END"


def _is_text(field: ViewColumn) -> bool:
    return field.kind not in ("int", "float", "bool", "time")


def _doubled(text: str) -> str:
    return f"replace({text}, '\"', '\"\"')"


def _printed(form: str, values: Sequence[str]) -> str:
    """Return a printf call; `%s` writes nothing for NULL."""
    return f"printf('{form}', {', '.join(values)})"


def _written(field: ViewColumn, page: ExportPage) -> str:
    """Return the SQL of a column's value."""
    match field.kind:
        case "time" if page.dialect == "postgresql":
            moment = f"to_timestamp({field.source})::timestamptz(3)"
            return f"""to_char({moment}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""
        case "bool":
            return f"CASE WHEN {field.source} THEN 'true' WHEN NOT {field.source} THEN 'false' END"
        case "number" | "free" if page.selection.numbers:
            return field.source
    return shown(field, page.dialect)
