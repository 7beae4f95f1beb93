"""`receiver tasks add`: create the tasks of a file at the scheduler, 50 at a time, with progress."""

import asyncio
import csv
import json
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.progress import track
from sqlalchemy import Connection, Select, select

from receiver.app import Receiver
from receiver.cli.output import STDERR, ConfigOption, JsonOption, print_error, print_json, print_table
from receiver.cli.urls import require_account
from receiver.domain.hooks import REF, new_ref, our_hook
from receiver.domain.masking import mask_message
from receiver.errors import AmbiguousCreateError, InputError, SchedulerError
from receiver.reconcile.account_context import AccountContext
from receiver.reconcile.creation import create_tasks, with_urls
from receiver.scheduler.wire import NewTask
from receiver.server import machine_environment
from receiver.settings.settings import Settings, load_settings
from receiver.storage.bulk import among
from receiver.tasks.tables import TASK

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

_CHUNK = 50


def add(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV with a header line, or a JSON array of objects. Fields, named as in the scheduler's "
            f"API: {', '.join(FIELDS)}.",
            exists=True,
        ),
    ],
    *,
    account: Annotated[str, typer.Option(help="Account of the tasks.")],
    queue: Annotated[str, typer.Option("--queue", help="Id of the queue at the scheduler.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create tasks from a CSV or JSON file, with minted hook URLs. Tasks that exist are skipped.

    Give each row a `ref` of your own; then the same file can be run again after a failure.
    """
    settings = load_settings(config)
    require_account(settings, account)
    tasks = read_tasks(file)
    added = asyncio.run(add_tasks(settings, account, queue, tasks))
    rows = [{"ref": ref, "task_id": task_id, "created": created} for ref, task_id, created in added.tasks]
    if as_json:
        print_json({"tasks": rows, "in_doubt": added.in_doubt, "problem": added.problem})
    else:
        states = {True: "created", False: "existed"}
        print_table(
            "Tasks",
            ("ref", "id", ""),
            [(row["ref"], row["task_id"], states[bool(row["created"])]) for row in rows],
        )
    if added.problem:
        print_error(added.problem)
        if added.in_doubt:
            STDERR.print(
                f"Possibly created: {', '.join(added.in_doubt)}. Run the same file again later.",
                highlight=False,
            )
        raise typer.Exit(1)


@dataclass(slots=True)
class Added:
    """`tasks`: ref, id and whether it was created now, of each existing task; the id is None if only hooks
    are known. `in_doubt`: refs of tasks that may have been created; `problem`: why tasks are missing.
    """

    tasks: list[tuple[str, str | None, bool]] = field(default_factory=list)
    in_doubt: list[str] = field(default_factory=list)
    problem: str | None = None


async def add_tasks(
    settings: Settings, account: str, queue_id: str, tasks: Sequence[tuple[str, NewTask]]
) -> Added:
    """Create the tasks that do not exist yet. Raises SchedulerError only if nothing was created."""
    receiver = Receiver(settings, machine_environment(settings))
    context = receiver.contexts[account]
    async with receiver.recording():
        there = await _existing(context, queue_id, {ref for ref, _ in tasks})
        added = Added([(ref, there[ref], False) for ref, _ in tasks if ref in there])
        missing = [
            (ref, with_urls(context, settings.hook_root, ref, task))
            for ref, task in tasks
            if ref not in there
        ]
        chunks = [missing[start : start + _CHUNK] for start in range(0, len(missing), _CHUNK)]
        for chunk in track(chunks, "creating tasks", console=STDERR, disable=len(chunks) < 2):
            try:
                records = await create_tasks(context, queue_id, [task for _, task in chunk])
            except AmbiguousCreateError as error:
                added.problem, added.in_doubt = str(error), [ref for ref, _ in chunk]
                break
            except SchedulerError as error:
                added.problem = f"{error}; none of the last {len(chunk)} tasks was created"
                break
            added.tasks += [(ref, record.id, True) for (ref, _), record in zip(chunk, records, strict=True)]
    return added


async def _existing(context: AccountContext, queue_id: str, refs: Set[str]) -> dict[str, str | None]:
    """Return ref → task id of tasks that the store or the queue has. The queue may hide finished tasks."""
    found = await context.store.read(partial(_stored_ids, account=context.account, refs=refs))
    async for record in context.client.iter_tasks(queue_id):
        paths = [
            path for url in record.urls.values() if (path := our_hook(url)) and context.signer.verify(path)
        ]
        found.update((path.ref, record.id) for path in paths if path.ref and path.ref in refs)
    return found


def _stored_ids(connection: Connection, account: str, refs: Set[str]) -> dict[str, str | None]:
    """Return ref → task id of tasks in the store. The ref is the key, which is indexed."""
    query: Select[str, str | None] = select(TASK.c.key, TASK.c.task_id).where(TASK.c.account == account)
    rows = connection.execute(query.where(among(connection, TASK.c.key, refs)))
    return {key: task_id for key, task_id in rows}  # noqa: C416 - a row is no tuple to the type checker


def read_tasks(path: Path) -> list[tuple[str, NewTask]]:
    """Read tasks with their refs; a task without a ref gets a new one.

    Raises InputError, which names row and field but no values, since they may be phone numbers.
    """
    rows = _rows(path)
    if not rows:
        raise InputError(path.name, "contains no tasks")
    tasks = [_task(number, row) for number, row in enumerate(rows, start=1)]
    twice = next((ref for ref, count in Counter(ref for ref, _ in tasks).items() if count > 1), None)
    if twice:
        raise InputError("ref", f"'{twice}' is in more than one row")
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
    """Return non-empty cells by column name; cells beyond the header line are under None."""
    try:
        rows = list(csv.DictReader(StringIO(text, newline="")))
    except csv.Error as error:
        raise InputError(file, f"is not CSV: {error}") from None
    return [{name: value for name, value in row.items() if value} for row in rows]


def _task(number: int, row: dict[str, Any]) -> tuple[str, NewTask]:
    if None in row:
        raise InputError(f"row {number}", "has more cells than the header line")
    unknown = [name for name in row if name not in FIELDS]
    if unknown:  # without a header line, these may be phone numbers
        raise InputError(
            f"row {number}", f"unknown field '{mask_message(unknown[0])}'; known fields: {', '.join(FIELDS)}"
        )
    ref = str(row.get("ref") or new_ref())
    if not REF.fullmatch(ref):
        raise InputError(f"row {number}, ref", "must be 1 to 64 letters, digits, '_' or '-'")
    values = {name: value for name, value in row.items() if name != "ref"}
    try:
        return ref, NewTask.model_validate({"name": ref} | values)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in problem["loc"])
        raise InputError(f"row {number}, {field}", problem["msg"]) from None
