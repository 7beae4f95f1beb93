"""Exports: a relation as a file, which is made while it is taken."""

import csv
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import orjson
from sqlalchemy import Connection

from receiver.analytics.export_horizon import within_horizon
from receiver.analytics.export_pages import ExportSelection, FilePart, Page, Position, column_names, next_page
from receiver.analytics.export_sql import lines, rows
from receiver.analytics.formulas import as_text
from receiver.analytics.views import Relation
from receiver.errors import NotInstalledError
from receiver.storage.engine import Store

NO_PYARROW = "Parquet needs pyarrow: pip install 'receiver[analytics]'"


class ExportWriter(Protocol):
    """Makes one file of a relation."""

    def opening(self) -> bytes:
        """What stands before all rows."""

    def write(self, connection: Connection, page: Page) -> FilePart:
        """Read the page's rows and write them."""

    def end(self) -> bytes:
        """What stands behind all rows."""


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A kind of file. `suffix`: of its name; `media`: its types, the usual one first."""

    suffix: str
    media: tuple[str, ...]
    make: Callable[[Relation], ExportWriter]


async def export(
    store: Store, selection: ExportSelection, writer: ExportWriter, now: float, *, is_begun: bool = False
) -> AsyncGenerator[FilePart, None]:
    """The file, part by part; `is_begun`: the rest of it; `now`: epoch seconds. It ends before the first row
    that may still be missing, so that none is ever behind the position where a later export goes on. Raises
    StoreUnavailableError where the store cannot be read now.
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
    yield FilePart(0, writer.end())


def _read(
    connection: Connection,
    selection: ExportSelection,
    after: Position,
    most: int | None,
    writer: ExportWriter,
) -> tuple[Position | None, FilePart]:
    page = next_page(connection, selection, after, most)
    return page.end, writer.write(connection, page)


class _Lines(list[str]):
    """What `csv` takes for a file."""

    write = list.append


class CsvWriter:
    """Comma-separated values (RFC 4180), UTF-8, lines ended by a line feed; what is not there is empty, and a
    text that a spreadsheet would take for a formula has an apostrophe before it.
    """

    def __init__(self, relation: Relation) -> None:
        self._relation = relation

    def opening(self) -> bytes:
        return _as_csv([column_names(self._relation)]).data

    def write(self, connection: Connection, page: Page) -> FilePart:
        if page.selection.masks_documents:
            return _as_csv(map(_as_texts, rows(connection, page)))
        return FilePart(*lines(connection, page))

    def end(self) -> bytes:
        return b""


def _as_texts(row: Iterable[Any]) -> Iterable[Any]:
    return [as_text(value) if isinstance(value, str) else value for value in row]


def _as_csv(table: Iterable[Iterable[Any]]) -> FilePart:
    # Of the characters that end lines somewhere Python 3.11 quotes those only that it ends them with itself.
    written = _Lines()
    csv.writer(written, lineterminator="\r\n").writerows(table)
    return FilePart(len(written), "".join([f"{line[:-2]}\n" for line in written]).encode())


_TRUTH = {"true": True, "false": False, None: None}


class JsonLinesWriter:
    """A JSON object a line; what is not there is null, a document is a part of it."""

    def __init__(self, relation: Relation) -> None:
        self._names = column_names(relation)
        kinds = [(place, field.kind) for place, field in enumerate(relation.fields, 1)]
        self._truths = [place for place, kind in kinds if kind == "bool"]
        self._documents = [place for place, kind in kinds if kind == "json"]

    def opening(self) -> bytes:
        return b""

    def write(self, connection: Connection, page: Page) -> FilePart:
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
        # It takes long to import, and need not be there.
        from receiver.analytics.parquet import ParquetWriter  # noqa: PLC0415
    except ImportError:
        raise NotInstalledError(NO_PYARROW) from None
    return ParquetWriter(relation)


FORMATS = {
    "csv": FileFormat(".csv", ("text/csv",), CsvWriter),
    "jsonl": FileFormat(".jsonl", ("application/jsonl", "application/x-ndjson"), JsonLinesWriter),
    "parquet": FileFormat(".parquet", ("application/vnd.apache.parquet",), _make_parquet),
}
