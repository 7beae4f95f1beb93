"""What an export that broke off has left behind: how much of it can be kept, and where to go on."""

import csv
from pathlib import Path
from typing import BinaryIO, NamedTuple

import orjson

from receiver.analytics.exports import POSITION, ExportWriter, names
from receiver.analytics.views import Relation
from receiver.errors import InputError


class Kept(NamedTuple):
    """`rows` that are whole, `size` bytes with what stands before them; the last one's `position`."""

    rows: int = 0
    size: int = 0
    position: str | None = None


def kept_of(path: Path, relation: Relation, writer: ExportWriter, *, is_csv: bool) -> Kept:
    """Of the file at `path`, which ends anywhere. Raises InputError where it is one of something else."""
    begin = writer.opening()
    with path.open("rb") as file:
        there = file.read(len(begin))
        if there != begin:
            if begin.startswith(there):
                return Kept()
            raise _of_something_else(path)
        rows, size, last = _last_whole_row(file, len(begin), is_csv=is_csv)
    if last is None:
        return Kept(0, len(begin))
    return Kept(rows, size, _position(last, path, relation, is_csv=is_csv))


def _last_whole_row(file: BinaryIO, size: int, *, is_csv: bool) -> tuple[int, int, bytes | None]:
    """How many there are, where the last one ends, and what it is."""
    rows, last, row = 0, None, b""
    for line in file:
        row += line
        # Within quotes a line feed ends no row; a quote that is doubled changes nothing.
        if line.endswith(b"\n") and not (is_csv and row.count(b'"') % 2):
            rows, size, last, row = rows + 1, size + len(row), row, b""
    return rows, size, last


def _position(row: bytes, path: Path, relation: Relation, *, is_csv: bool) -> str:
    try:
        values = next(csv.reader([row.decode()])) if is_csv else orjson.loads(row)
        found = values if isinstance(values, dict) else dict(zip(names(relation), values, strict=True))
    except ValueError:
        raise _of_something_else(path) from None
    if list(found) != names(relation):
        raise _of_something_else(path)
    return str(found[POSITION])


def _of_something_else(path: Path) -> InputError:
    return InputError("--resume", f"{path} is of something else; move it away, or leave out --resume")
