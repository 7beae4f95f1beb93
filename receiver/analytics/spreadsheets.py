"""Files for spreadsheets: Excel workbooks, and CSV as the spreadsheet of a country reads it."""

import csv
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from io import BytesIO, StringIO
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection
from xlsxwriter import Workbook

from receiver.analytics import formatting
from receiver.analytics.export_pages import ExportPage, FilePart, column_names
from receiver.analytics.export_sql import rows
from receiver.analytics.formulas import as_text
from receiver.analytics.intervals import Share
from receiver.analytics.report import MeasureReport
from receiver.analytics.table_csv import header, table_rows, total_cells
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

    def __init__(self) -> None:
        self._file = BytesIO()
        self._book = Workbook(self._file, {"constant_memory": True})
        self._bold = self._book.add_format({"bold": True})
        self._styles = {kind: self._book.add_format({"num_format": form}) for kind, form in _FORMATS.items()}
        self._about: list[tuple[str, str]] = []

    def begin_table(self, title: str, columns: Sequence[SpreadsheetColumn]) -> None:
        """Begin a table, on a worksheet of its own."""
        self._title, self._columns, self._sheets = title, columns, 0
        self._about += [("", ""), (title, ""), *((column.name, column.about) for column in columns)]
        self._new_sheet()

    def add(self, row: Iterable[Any]) -> None:
        """Add a row. Moments are epoch seconds or ISO 8601; None leaves a cell empty."""
        if self._rows == MAX_ROWS:
            self._new_sheet()
        self._rows += 1
        for place, (column, value) in enumerate(zip(self._columns, row, strict=True)):
            if value is not None:
                self._write(place, column.kind, value)

    def close(self, notes: Sequence[str] = ()) -> bytes:
        """Return the file. `notes`: sentences for the last worksheet."""
        about = self._book.add_worksheet("about")
        about.set_column(0, 0, 24)
        lines: list[tuple[str, ...]] = [*((note,) for note in notes), *self._about]
        for number, line in enumerate(lines):
            for place, text in enumerate(line):
                about.write_string(number, place, text[:_MAX_TEXT])
        self._book.close()
        return self._file.getvalue()

    def _new_sheet(self) -> None:
        self._sheets += 1
        number = f" {self._sheets}" if self._sheets > 1 else ""
        sheet = self._book.add_worksheet(f"{self._title[:25]}{number}")
        sheet.freeze_panes(1, 0)
        for place, column in enumerate(self._columns):
            width = 19 if column.kind == "time" else min(max(len(column.name) + 2, 10), 30)
            sheet.set_column(place, place, width, self._styles.get(column.kind))
            sheet.write_string(0, place, column.name, self._bold)
        self._sheet, self._rows = sheet, 0

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
        self._book = SpreadsheetFile()
        self._book.begin_table(relation.name, export_columns(relation))

    def opening(self) -> bytes:
        return b""

    def write(self, connection: Connection, page: ExportPage) -> FilePart:
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

    def write(self, connection: Connection, page: ExportPage) -> FilePart:
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


def report_book(reports: Iterable[MeasureReport]) -> bytes:
    """Return measures as an Excel workbook, one worksheet each, with the total in the last line."""
    book = SpreadsheetFile()
    notes: dict[str, None] = {}
    for report in reports:
        title = report.measure.title
        book.begin_table(title, _report_columns(report))
        for line in table_rows(report):
            book.add(line)
        by = report.query.by
        key = ["all", *[None] * (len(by) - 1)] if by else []
        book.add([*key, *total_cells(report), *([None] if "queue" in by else [])])
        notes[f"{title}: {formatting.scope_of(report)}."] = None
        notes |= dict.fromkeys(report.notes)
    return book.close([*notes, formatting.INTERVALS])


def _report_columns(report: MeasureReport) -> list[SpreadsheetColumn]:
    """Return dimensions and values; a share has its value, its interval and its number."""
    about = {column.name: column.about for column in report.measure.columns}
    about |= {quantiles.name: quantiles.about for quantiles in report.measure.quantiles}
    columns = [SpreadsheetColumn(name, "text", "Dimension.") for name in report.query.by]
    shares = {name for name, value in report.total.items() if isinstance(value, Share)}
    for name in header(report)[len(columns) :]:
        base, _, part = name.rpartition("_")
        is_share = name in shares or (base in shares and part in ("low", "high"))
        text = about.get(name) or f"{about.get(base, '')} {_PARTS.get(part, '')}".strip()
        kind: CellKind = "text" if name == "queue_name" else "share" if is_share else "float"
        columns.append(SpreadsheetColumn(name, kind, text or "Name of the queue."))
    return columns


_PARTS = {
    "low": "Lower bound of the 95 % interval.",
    "high": "Upper bound of the 95 % interval.",
    "n": "Number that it is a share of, or number of values.",
    "p50": "Median.",
    "p90": "90th percentile.",
}


def report_csv(report: MeasureReport, locale_name: str) -> str:
    """Return a measure as CSV for the spreadsheets of a language. Raises InputError."""
    style = csv_style(locale_name)
    return csv_opening(style, header(report)) + style.lines(table_rows(report))
