"""Files of tasks: their encoding, separator and rows, and what is wrong in which row and column."""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from receiver.domain.hooks import new_ref
from receiver.domain.numbers import REGION
from receiver.errors import InputError
from receiver.reconcile.new_tasks import KeyedTask, read_task

_SEPARATORS = ",;\t"

_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


class RowProblem(NamedTuple):
    """What is wrong in a row. `row`: number of the task in the file, from 1. `column`: None for the row."""

    row: int
    column: str | None
    problem: str

    def error(self) -> InputError:
        """Return it as an error that names row and column."""
        where = f"row {self.row}, {self.column}" if self.column else f"row {self.row}"
        return InputError(where, self.problem)


@dataclass(frozen=True, slots=True)
class TaskFile:
    """A file as it was read. `separator`: None for JSON. `digest`: of its bytes."""

    name: str
    digest: str
    encoding: str
    separator: str | None
    rows: Sequence[Mapping[str, Any]]

    @property
    def has_refs(self) -> bool:
        """Whether each row has a ref of its own, so that the file can be sent again without harm."""
        return all(row.get("ref") for row in self.rows)

    def tasks(self, sent_at: float, region: str = REGION) -> tuple[list[KeyedTask], list[RowProblem]]:
        """Return the tasks, and what is wrong in the other rows. A row without a ref gets one that follows
        from `sent_at` and the row, so that an interrupted file can be continued.
        """
        tasks: list[KeyedTask] = []
        problems: list[RowProblem] = []
        refs = Counter(str(row["ref"]) for row in self.rows if row.get("ref"))
        for number, row in enumerate(self.rows, start=1):
            if None in row:
                problems.append(RowProblem(number, None, "has more cells than the header line"))
                continue
            ref = str(row.get("ref") or self._ref(sent_at, number))
            try:
                task = read_task({**row, "ref": ref}, region)
            except InputError as error:
                problems.append(RowProblem(number, error.field, error.problem))
                continue
            if refs[ref] > 1:
                problems.append(RowProblem(number, "ref", f"'{ref}' is in more than one row"))
            tasks.append(task)
        return tasks, problems

    def _ref(self, sent_at: float, number: int) -> str:
        """Return the ref of a row: as `new_ref`, but the same each time."""
        made = hashlib.sha256(f"{self.digest}/{number}".encode()).hexdigest()[:20]
        return new_ref(sent_at)[:12] + made


def read_task_file(path: Path) -> TaskFile:
    """Read a CSV or JSON file. Raises InputError, which names the file but no content."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(path.name, f"cannot be read: {error.strerror}") from None
    text, encoding = _decode(path.name, content)
    digest = hashlib.sha256(content).hexdigest()
    if path.suffix.lower() == ".json":
        file = TaskFile(path.name, digest, encoding, None, _json_rows(path.name, text))
    else:
        separator = _separator(text)
        file = TaskFile(path.name, digest, encoding, separator, _csv_rows(path.name, text, separator))
    if not file.rows:
        raise InputError(path.name, "contains no tasks")
    return file


def _decode(file: str, content: bytes) -> tuple[str, str]:
    """Return the text and its encoding: of the byte order mark, UTF-8, or else cp1251 of Windows."""
    marked = next((name for mark, name in _BYTE_ORDER_MARKS.items() if content.startswith(mark)), None)
    for encoding in (marked,) if marked else ("utf-8", "cp1251"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text, encoding
    raise InputError(file, "is not a text file: save it as CSV in UTF-8")


def _separator(text: str) -> str:
    """Return the separator that is most frequent in the header line."""
    header = text.lstrip().partition("\n")[0]
    return max(_SEPARATORS, key=header.count)


def _json_rows(file: str, text: str) -> list[dict[str, Any]]:
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise InputError(file, f"is not JSON: {error}") from None
    rows = rows.get("tasks") if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(file, 'must be an array of objects, or {"tasks": [ … ]}')
    return rows


def _csv_rows(file: str, text: str, separator: str) -> list[dict[Any, Any]]:
    """Return non-empty cells by column name; cells beyond the header line are under None."""
    try:
        rows = list(csv.DictReader(StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        raise InputError(file, f"is not CSV: {error}") from None
    cells = [{_name(name): value for name, value in row.items() if value} for row in rows]
    return [row for row in cells if row]


def _name(column: str | None) -> str | None:
    """Return a column's name without white space around it."""
    return column.strip() if column else column
