"""Exports as Parquet, by pyarrow, which is optional."""

from typing import Any

import pyarrow as pa
from pyarrow.parquet import ParquetWriter as ArrowWriter
from sqlalchemy import Connection

from receiver.analytics.export_pages import ExportPage, FilePart, column_names
from receiver.analytics.export_sql import rows
from receiver.analytics.views import ColumnKind, Relation

_GROUP = 50_000
"""Number of rows in a row group; they are kept in memory until it is written."""

_TYPES: dict[ColumnKind, Any] = {
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "time": pa.timestamp("ms", tz="UTC"),
}
"""Types of columns; all others are texts."""


class _Sink:
    """A file for pyarrow that keeps written bytes until they are taken."""

    closed = False

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing: the rest is taken later."""


class ParquetWriter:
    """Parquet with typed columns; moments are in UTC with milliseconds, missing values are null."""

    def __init__(self, relation: Relation) -> None:
        kinds: list[ColumnKind] = ["text", *(field.kind for field in relation.fields)]
        types = [_TYPES.get(kind, pa.string()) for kind in kinds]
        self._schema = pa.schema(list(zip(column_names(relation), types, strict=True)))
        self._sink = _Sink()
        self._writer = ArrowWriter(pa.PythonFile(self._sink, mode="w"), self._schema, compression="zstd")
        self._kept: list[Any] = []

    def opening(self) -> bytes:
        return self._sink.take()

    def write(self, connection: Connection, page: ExportPage) -> FilePart:
        made = list(rows(connection, page))
        if made:
            self._kept.append(self._table(made))
        if sum(table.num_rows for table in self._kept) >= _GROUP:
            self._flush()
        return FilePart(len(made), self._sink.take())

    def end(self) -> bytes:
        self._flush()
        self._writer.close()
        return self._sink.take()

    def _table(self, made: list[tuple[Any, ...]]) -> Any:
        columns = zip(*made, strict=True)
        return pa.Table.from_arrays(
            [_array(values, field.type) for values, field in zip(columns, self._schema, strict=True)],
            schema=self._schema,
        )

    def _flush(self) -> None:
        if self._kept:
            table = pa.concat_tables(self._kept)
            self._kept.clear()
            self._writer.write_table(table, row_group_size=table.num_rows)


def _array(values: tuple[Any, ...], kind: Any) -> Any:
    """Return an array; moments and booleans are parsed from texts."""
    is_text = pa.types.is_timestamp(kind) or pa.types.is_boolean(kind)
    return pa.array(values, pa.string()).cast(kind) if is_text else pa.array(values, kind)
