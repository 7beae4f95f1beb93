"""Exports: a relation as a file, written part by part."""

import asyncio
import csv
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import orjson
from sqlalchemy import Connection

from receiver.analytics.export_horizon import within_horizon
from receiver.analytics.export_pages import (
    ExportPage,
    ExportSelection,
    FilePart,
    Position,
    column_names,
    next_page,
)
from receiver.analytics.export_sql import lines, rows
from receiver.analytics.formulas import as_text
from receiver.analytics.views import Relation
from receiver.errors import NotInstalledError
from receiver.storage.engine import Store

NO_PYARROW = "Parquet needs pyarrow: pip install 'receiver[analytics]'"


class ExportWriter(Protocol):
    """Writes one file of a relation."""

    def opening(self) -> bytes:
        """Return the bytes before the first row."""

    def write(self, connection: Connection, page: ExportPage) -> FilePart:
        """Read the rows of a page and return them as bytes."""

    def end(self) -> bytes:
        """Return the bytes after the last row."""


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A format of files. `suffix`: of names; `media`: media types, the usual one first."""

    suffix: str
    media: tuple[str, ...]
    make: Callable[[Relation], ExportWriter]


async def export(
    store: Store, selection: ExportSelection, writer: ExportWriter, now: float, *, is_begun: bool = False
) -> AsyncGenerator[FilePart, None]:
    """Yield the file part by part. `is_begun`: without its opening; `now`: epoch seconds.

    The file ends before the first row that may still be missing, so that a later export can start after
    its last position without a gap. Raises StoreUnavailableError, and for a search what `next_page` raises.
    """
    selection = await within_horizon(store, selection, now)
    begin, after, left = b"" if is_begun else writer.opening(), selection.after, selection.limit
    while True:
        read = partial(_read, selection=selection, after=after, most=left, writer=writer)
        end, part = await store.read(read, "export")
        yield FilePart(part.rows, begin + part.data)
        left = None if left is None else left - part.rows
        if end is None or left == 0:
            break
        begin, after = b"", end
    # The end of a workbook is all of it, which takes seconds: in a thread it delays no hooks.
    yield FilePart(0, await asyncio.to_thread(writer.end))


def _read(
    connection: Connection,
    selection: ExportSelection,
    after: Position,
    most: int | None,
    writer: ExportWriter,
) -> tuple[Position | None, FilePart]:
    page = next_page(connection, selection, after, most)
    return page.stretch.end, writer.write(connection, page)


class _Lines(list[str]):
    """A file for `csv`: the written lines."""

    write = list.append


class CsvWriter:
    """CSV (RFC 4180) in UTF-8 with line feeds. Missing values are empty; a text that a spreadsheet would
    evaluate as a formula gets an apostrophe. The database writes the lines: Python's `csv` takes 45 % more
    processor time.
    """

    def __init__(self, relation: Relation) -> None:
        self._relation = relation

    def opening(self) -> bytes:
        return _as_csv([column_names(self._relation)]).data

    def write(self, connection: Connection, page: ExportPage) -> FilePart:
        if page.selection.masks_documents:
            return _as_csv(map(_as_texts, rows(connection, page)))
        return FilePart(*lines(connection, page))

    def end(self) -> bytes:
        return b""


def _as_texts(row: Iterable[Any]) -> Iterable[Any]:
    return [as_text(value) if isinstance(value, str) else value for value in row]


def _as_csv(table: Iterable[Iterable[Any]]) -> FilePart:
    # Python 3.11 quotes only the line breaks that are in its own line terminator.
    written = _Lines()
    csv.writer(written, lineterminator="\r\n").writerows(table)
    return FilePart(len(written), "".join([f"{line[:-2]}\n" for line in written]).encode())


_TRUTH = {"true": True, "false": False, None: None}


class JsonLinesWriter:
    """One JSON object per line. Missing values are null; documents are nested."""

    def __init__(self, relation: Relation) -> None:
        self._names = column_names(relation)
        kinds = [(place, field.kind) for place, field in enumerate(relation.fields, 1)]
        self._truths = [place for place, kind in kinds if kind == "bool"]
        self._documents = [place for place, kind in kinds if kind == "json"]

    def opening(self) -> bytes:
        return b""

    def write(self, connection: Connection, page: ExportPage) -> FilePart:
        written = [orjson.dumps(self._object(row)) for row in rows(connection, page)]
        return FilePart(len(written), b"".join([line + b"\n" for line in written]))

    def _object(self, row: tuple[Any, ...]) -> dict[str, Any]:
        values = list(row)
        for place in self._truths:
            values[place] = _TRUTH[values[place]]
        for place in self._documents:
            values[place] = orjson.Fragment(values[place])
        return dict(zip(self._names, values, strict=True))

    def end(self) -> bytes:
        return b""


def _make_parquet(relation: Relation) -> ExportWriter:
    """Raises NotInstalledError."""
    try:
        # Slow to import, and optional.
        from receiver.analytics.parquet import ParquetWriter  # noqa: PLC0415
    except ImportError:
        raise NotInstalledError(NO_PYARROW) from None
    return ParquetWriter(relation)


def _make_xlsx(relation: Relation) -> ExportWriter:
    from receiver.analytics.spreadsheets import XlsxWriter  # noqa: PLC0415 -- slow to import

    return XlsxWriter(relation)


def spreadsheet_csv(locale: str) -> FileFormat:
    """Return CSV for the spreadsheets of a language or country. Raises InputError."""
    from receiver.analytics.spreadsheets import SpreadsheetCsvWriter, csv_style  # noqa: PLC0415

    style = csv_style(locale)
    return FileFormat(".csv", ("text/csv",), lambda relation: SpreadsheetCsvWriter(relation, style))


FORMATS = {
    "csv": FileFormat(".csv", ("text/csv",), CsvWriter),
    "jsonl": FileFormat(".jsonl", ("application/jsonl", "application/x-ndjson"), JsonLinesWriter),
    "xlsx": FileFormat(
        ".xlsx", ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",), _make_xlsx
    ),
    "parquet": FileFormat(".parquet", ("application/vnd.apache.parquet",), _make_parquet),
}
