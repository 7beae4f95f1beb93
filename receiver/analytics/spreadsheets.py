"""Files for spreadsheets: Excel workbooks, and CSV as the spreadsheet of a country reads it."""

import csv
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from io import BytesIO, StringIO
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection
from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from receiver.analytics.export_pages import FilePart, Page, column_names
from receiver.analytics.export_sql import rows
from receiver.analytics.formulas import as_text
from receiver.analytics.views import Relation
from receiver.errors import InputError
from receiver.i18n.catalogue import locale

CellKind = Literal["text", "int", "float", "bool", "time", "share"]

MAX_ROWS = 1_048_575
"""Rows of a worksheet below its header line; further rows go to another worksheet."""

_MAX_TEXT = 32_767
"""Characters of a cell."""

_EPOCH_DAY = 25_569
"""Number of the day 1970-01-01 in Excel."""

_FORMATS = {"time": "yyyy-mm-dd hh:mm:ss", "share": "0.0%"}
_BYTE_ORDER_MARK = "\ufeff"
"""First character of CSV, by which Excel recognizes UTF-8."""


class SpreadsheetColumn(NamedTuple):
    """A column of a worksheet. `about`: its meaning, for the last worksheet."""

    name: str
    kind: CellKind
    about: str = ""


class SpreadsheetFile:
    """An Excel workbook. Rows go to a temporary file, so that memory does not grow with them.

    Texts are never formulas or links. Moments are cells with a date, in UTC. A longer table continues on
    further worksheets; the last one describes the columns.
    """

    def __init__(self, title: str, columns: Sequence[SpreadsheetColumn]) -> None:
        self._title, self._columns = title, columns
        self._file = BytesIO()
        self._book = Workbook(self._file, {"constant_memory": True})
        self._bold = self._book.add_format({"bold": True})
        self._styles = {kind: self._book.add_format({"num_format": form}) for kind, form in _FORMATS.items()}
        self._sheets = 0
        self._sheet, self._rows = self._new_sheet(), 0

    def add(self, row: Iterable[Any]) -> None:
        """Add a row. Moments are epoch seconds or ISO 8601; None leaves a cell empty."""
        if self._rows == MAX_ROWS:
            self._sheet, self._rows = self._new_sheet(), 0
        self._rows += 1
        for place, (column, value) in enumerate(zip(self._columns, row, strict=True)):
            if value is not None:
                self._write(place, column.kind, value)

    def close(self, notes: Sequence[str] = ()) -> bytes:
        """Return the file. `notes`: sentences for the last worksheet."""
        about = self._book.add_worksheet("about")
        about.set_column(0, 0, 24)
        lines = [(note,) for note in notes] + [(column.name, column.about) for column in self._columns]
        for number, line in enumerate(lines):
            for place, text in enumerate(line):
                about.write_string(number, place, text[:_MAX_TEXT])
        self._book.close()
        return self._file.getvalue()

    def _new_sheet(self) -> Worksheet:
        self._sheets += 1
        number = f" {self._sheets}" if self._sheets > 1 else ""
        sheet = self._book.add_worksheet(f"{self._title[:25]}{number}")
        sheet.freeze_panes(1, 0)
        for place, column in enumerate(self._columns):
            width = 19 if column.kind == "time" else min(max(len(column.name) + 2, 10), 30)
            sheet.set_column(place, place, width, self._styles.get(column.kind))
            sheet.write_string(0, place, column.name, self._bold)
        return sheet

    def _write(self, place: int, kind: CellKind, value: Any) -> None:
        line, sheet = self._rows, self._sheet
        if kind == "time":
            sheet.write_number(line, place, _excel_day(value), self._styles["time"])
        elif kind == "bool":
            sheet.write_boolean(line, place, value in (True, "true"))
        elif kind == "text":
            sheet.write_string(line, place, str(value)[:_MAX_TEXT])
        else:
            sheet.write_number(line, place, value, self._styles.get(kind))


def _excel_day(moment: str | float) -> float:
    """Return a moment as Excel's number of days, UTC."""
    at = datetime.fromisoformat(moment).timestamp() if isinstance(moment, str) else moment
    return at / 86_400 + _EPOCH_DAY


def export_columns(relation: Relation) -> list[SpreadsheetColumn]:
    """Return the columns of an export as those of a worksheet."""
    kinds: dict[str, CellKind] = {"int": "int", "float": "float", "bool": "bool", "time": "time"}
    about = "Place of the row, after which a later export can start."
    columns = [
        SpreadsheetColumn(field.name, kinds.get(field.kind, "text"), field.about) for field in relation.fields
    ]
    return [SpreadsheetColumn("position", "text", about), *columns]


class XlsxWriter:
    """An export as an Excel workbook; all of its bytes come at the end."""

    def __init__(self, relation: Relation) -> None:
        self._book = SpreadsheetFile(relation.name, export_columns(relation))

    def opening(self) -> bytes:
        return b""

    def write(self, connection: Connection, page: Page) -> FilePart:
        number = 0
        for row in rows(connection, page):
            self._book.add(row)
            number += 1
        return FilePart(number, b"")

    def end(self) -> bytes:
        return self._book.close(["Moments are in UTC."])


class CsvStyle(NamedTuple):
    """How the spreadsheets of a country read CSV: with a semicolon where the decimal mark is a comma."""

    separator: str
    decimal: str

    def lines(self, table: Iterable[Iterable[Any]]) -> str:
        """Return lines of CSV. Texts that look like formulas get an apostrophe."""
        text = StringIO()
        csv.writer(text, delimiter=self.separator).writerows([map(self._cell, row) for row in table])
        return text.getvalue()

    def _cell(self, value: Any) -> Any:
        if isinstance(value, float):
            return repr(value).replace(".", self.decimal)
        return as_text(value) if isinstance(value, str) else value


def csv_style(name: str) -> CsvStyle:
    """Return the style of a language or country, such as `ru` or `de_AT`. Raises InputError."""
    try:
        decimal = locale(name).number_symbols["latn"]["decimal"]
    except ValueError:
        raise InputError("locale", f"unknown: {name!r}; use a language such as en, ru or de") from None
    return CsvStyle(";" if decimal == "," else ",", decimal)


def csv_opening(style: CsvStyle, heads: Iterable[str]) -> str:
    """Return the first line, with the mark by which Excel recognizes UTF-8."""
    return _BYTE_ORDER_MARK + style.lines([heads])


class SpreadsheetCsvWriter:
    """An export as CSV for the spreadsheets of a country. Moments are `YYYY-MM-DD HH:MM:SS`, UTC."""

    def __init__(self, relation: Relation, style: CsvStyle) -> None:
        self._relation, self._style = relation, style
        self._times = [place for place, field in enumerate(relation.fields, 1) if field.kind == "time"]

    def opening(self) -> bytes:
        return csv_opening(self._style, column_names(self._relation)).encode()

    def write(self, connection: Connection, page: Page) -> FilePart:
        table = [self._row(row) for row in rows(connection, page)]
        return FilePart(len(table), self._style.lines(table).encode())

    def _row(self, row: tuple[Any, ...]) -> list[Any]:
        values = list(row)
        for place in self._times:
            if values[place] is not None:
                values[place] = f"{datetime.fromisoformat(values[place]).astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        return values

    def end(self) -> bytes:
        return b""
