"""Continuing an interrupted export: the complete rows of the file, and the position of the last one."""

import csv
from pathlib import Path
from typing import BinaryIO, NamedTuple

import orjson

from receiver.analytics.export_pages import POSITION, column_names
from receiver.analytics.exports import ExportWriter
from receiver.analytics.views import Relation
from receiver.errors import InputError


class Kept(NamedTuple):
    """The usable start of a file: number of `rows`, `size` in bytes, and the `position` of the last row."""

    rows: int = 0
    size: int = 0
    position: str | None = None


def kept_of(path: Path, relation: Relation, writer: ExportWriter, *, is_csv: bool) -> Kept:
    """Read the usable start of a file. Raises InputError if it is of another export."""
    begin = writer.opening()
    with path.open("rb") as file:
        there = file.read(len(begin))
        if there != begin:
            if begin.startswith(there):
                return Kept()
            raise _other_export(path)
        rows, size, last = _last_whole_row(file, len(begin), is_csv=is_csv)
    if last is None:
        return Kept(0, len(begin))
    return Kept(rows, size, _position(last, path, relation, is_csv=is_csv))


def _last_whole_row(file: BinaryIO, size: int, *, is_csv: bool) -> tuple[int, int, bytes | None]:
    """Return the number of complete rows, the offset of their end, and the last row."""
    rows, last, row = 0, None, b""
    for line in file:
        row += line
        # A line feed within quotes does not end a row. Doubled quotes do not change the parity.
        if line.endswith(b"\n") and not (is_csv and row.count(b'"') % 2):
            rows, size, last, row = rows + 1, size + len(row), row, b""
    return rows, size, last


def _position(row: bytes, path: Path, relation: Relation, *, is_csv: bool) -> str:
    try:
        values = next(csv.reader([row.decode()])) if is_csv else orjson.loads(row)
        found = values if isinstance(values, dict) else dict(zip(column_names(relation), values, strict=True))
    except ValueError:
        raise _other_export(path) from None
    if list(found) != column_names(relation):
        raise _other_export(path)
    return str(found[POSITION])


def _other_export(path: Path) -> InputError:
    return InputError("--resume", f"{path} is of another export; move it away, or omit --resume")
