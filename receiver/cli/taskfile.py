"""Files of tasks to create: CSV with a header line, or a JSON array; fields as the scheduler names them."""

import csv
import json
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from receiver.domain.hooks import REF, new_ref
from receiver.domain.masking import mask_message
from receiver.errors import InputError
from receiver.scheduler.wire import NewTask

FIELDS = (
    "ref",
    "name",
    "a_number",
    "b_number",
    "extension_id",
    "try_count",
    "try_again_pause",
    "start_time_utc",
)


def read_tasks(path: Path) -> list[tuple[str, NewTask]]:
    """Each task with its ref, freshly made where the file gives none.

    Raises InputError, which names row and field but no value: they are phone numbers.
    """
    rows = _rows(path)
    if not rows:
        raise InputError(path.name, "holds no tasks")
    tasks = [_task(number, row) for number, row in enumerate(rows, start=1)]
    twice = next((ref for ref, count in Counter(ref for ref, _ in tasks).items() if count > 1), None)
    if twice:
        raise InputError("ref", f"'{twice}' stands in more than one row")
    return tasks


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path.name, f"cannot be read as UTF-8 text: {type(error).__name__}") from None
    return (_json_rows if path.suffix.lower() == ".json" else _csv_rows)(path.name, text)


def _json_rows(file: str, text: str) -> list[dict[str, Any]]:
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise InputError(file, f"is not JSON: {error}") from None
    rows = rows.get("tasks") if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(file, 'must be an array of objects, or {"tasks": [ … ]}')
    return rows


def _csv_rows(file: str, text: str) -> list[dict[str, Any]]:
    """Cells under their column's name, without empty ones; those beyond the header line under None."""
    try:
        rows = list(csv.DictReader(StringIO(text, newline="")))
    except csv.Error as error:
        raise InputError(file, f"is not CSV: {error}") from None
    return [{name: value for name, value in row.items() if value} for row in rows]


def _task(number: int, row: dict[str, Any]) -> tuple[str, NewTask]:
    if None in row:
        raise InputError(f"row {number}", "more cells than the header line has names")
    unknown = [name for name in row if name not in FIELDS]
    if unknown:  # without a header line, the names are somebody's numbers
        raise InputError(
            f"row {number}", f"unknown field '{mask_message(unknown[0])}'; known are {', '.join(FIELDS)}"
        )
    ref = str(row.get("ref") or new_ref())
    if not REF.fullmatch(ref):
        raise InputError(f"row {number}, ref", "1 to 64 letters, digits, '_' or '-'")
    values = {name: value for name, value in row.items() if name != "ref"}
    try:
        return ref, NewTask.model_validate({"name": ref} | values)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in problem["loc"])
        raise InputError(f"row {number}, {field}", problem["msg"]) from None
