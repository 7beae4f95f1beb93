"""`receiver tasks add`: create the tasks of a file at the scheduler, 50 at a time, with progress."""

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import track
from sqlalchemy import Row

from receiver.api import api_context
from receiver.app import Receiver
from receiver.cli.local_api import cli_caller
from receiver.cli.output import (
    STDERR,
    STDOUT,
    ConfigOption,
    JsonOption,
    moment,
    print_error,
    print_json,
    print_table,
)
from receiver.cli.task_files import RowProblem, TaskFile, read_task_file
from receiver.cli.urls import require_account
from receiver.domain.masking import mask_number
from receiver.errors import InputError
from receiver.http.audit import record_audit
from receiver.http.endpoint import Call, Params
from receiver.maintenance.schema import open_store
from receiver.reconcile import task_file_sql
from receiver.reconcile.create_once import CreateOnce, CreationResult
from receiver.reconcile.new_tasks import FIELDS, KeyedTask
from receiver.server import machine_environment
from receiver.settings.settings import Settings, load_settings
from receiver.tasks.names import queue_id_of

_SHOWN = 20
"""Problems and tasks that are shown; JSON has all."""


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
    queue: Annotated[str, typer.Option("--queue", help="Name of the queue, or its id at the scheduler.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the file and show what would be created; send nothing.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Send a file without refs again: everybody in it is called again.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create tasks from a CSV or JSON file, with minted hook URLs. Tasks that exist are skipped.

    Give each row a `ref` of your own; then the same file can be run again after a failure. CSV may be
    separated by comma, semicolon or tab, in UTF-8, UTF-16 or cp1251.
    """
    settings = load_settings(config)
    require_account(settings, account)
    read = read_task_file(file)
    if dry_run:
        _check(settings, account, read, as_json)
        return
    with open_store(settings.store) as store, store.snapshot() as connection:
        queue = queue_id_of(connection, account, queue)
    results = asyncio.run(_Adding(settings, account, queue, yes).add(read))
    _show(results, as_json)


class _Adding:
    """One run of the command."""

    def __init__(self, settings: Settings, account: str, queue: str, yes: bool) -> None:
        self._account, self._queue, self._yes = account, queue, yes
        self._region = settings.accounts[account].region
        self._public_url = settings.hook_root
        self._receiver = Receiver(settings, machine_environment(settings))

    async def add(self, file: TaskFile) -> list[CreationResult]:
        """Create the tasks of the file, and remember that it was sent."""
        async with self._receiver.recording():
            started_at = await self._started_at(file)
            tasks, problems = file.tasks(started_at, self._region)
            if problems:
                more = f"; {len(problems) - 1} more: see --dry-run" if len(problems) > 1 else ""
                raise InputError(problems[0].error().field, problems[0].problem + more)
            creation = CreateOnce(self._receiver.contexts[self._account], self._public_url, self._queue)
            await creation.look({task.ref for task in tasks})
            results = await creation.create(tasks, _tracked)
            if all(result.state in ("created", "exists") for result in results):
                await self._complete(file)
            await self._record_audit(results)
        return results

    async def _started_at(self, file: TaskFile) -> float:
        """Remember that the file is sent, and return the time from which rows without a ref get theirs: of
        the earlier run if it was not complete, so that it is continued. Raises InputError if the user does
        not want a complete file again.
        """
        store, key = self._receiver.store, self._key(file)
        row = await store.read(partial(task_file_sql.find, key=key))
        is_again = row is not None and row.completed_at is not None
        if row is not None and is_again and not file.has_refs:
            self._require_consent(file, row)
        new = key | {"started_at": self._now(), "completed_at": None, "tasks": len(file.rows)}
        row = await store.write(
            partial(task_file_sql.start, key=key, new=new, again_after=row if is_again else None)
        )
        return float(row.started_at)

    def _require_consent(self, file: TaskFile, row: Row[Any]) -> None:
        if self._yes:
            return
        sent = f"was sent at {moment(row.started_at)} UTC, and its rows have no `ref`"
        question = f"{file.name} {sent}: its {row.tasks} tasks would be created and called again. Send it?"
        if sys.stdin.isatty() and typer.confirm(question, err=True):
            return
        raise InputError(
            file.name, f"{sent}: its {row.tasks} tasks would be called again. Use --yes, or give rows a `ref`"
        )

    async def _complete(self, file: TaskFile) -> None:
        note = partial(task_file_sql.complete, key=self._key(file), at=self._now())
        await self._receiver.store.write(note)

    async def _record_audit(self, results: Sequence[CreationResult]) -> None:
        call = Call(api_context(self._receiver), cli_caller({"create"}), {}, Params(), None)
        states: dict[str, int] = Counter(result.state for result in results)
        name = f"{self._account}/{self._queue}"
        await self._receiver.store.write(
            lambda connection: record_audit(connection, call, "task.create", name, states)
        )

    def _key(self, file: TaskFile) -> dict[str, Any]:
        return {"account": self._account, "queue_id": self._queue, "digest": file.digest}

    def _now(self) -> float:
        return self._receiver.environment.clock.now()


def _tracked(chunks: Sequence[Sequence[KeyedTask]]) -> Any:
    """Show progress if there are several chunks."""
    return track(chunks, "creating tasks", console=STDERR, disable=len(chunks) < 2)


def _check(settings: Settings, account: str, file: TaskFile, as_json: bool) -> None:
    """Print what is wrong in a file, or what would be created. Exit 1 if something is wrong."""
    tasks, problems = file.tasks(0.0, settings.accounts[account].region)
    if as_json:
        found = {
            "file": file.name,
            "encoding": file.encoding,
            "separator": file.separator,
            "has_refs": file.has_refs,
            "tasks": len(tasks),
            "problems": [problem._asdict() for problem in problems],
        }
        print_json(found)
    elif problems:
        _print_problems(file, problems)
    else:
        _print_tasks(file, tasks)
    if problems:
        raise typer.Exit(1)


def _print_problems(file: TaskFile, problems: Sequence[RowProblem]) -> None:
    print_table(f"{file.name}: {len(problems)} problems", ("row", "column", "problem"), problems[:_SHOWN])
    if len(problems) > _SHOWN:
        STDERR.print(f"{len(problems) - _SHOWN} more: --json shows all.", highlight=False)


def _print_tasks(file: TaskFile, tasks: Sequence[KeyedTask]) -> None:
    rows = [
        (
            ref if file.has_refs else None,
            task.name if file.has_refs or task.name != ref else None,
            mask_number(task.a_number),
            mask_number(task.b_number),
            task.try_count,
            task.start_time_utc,
        )
        for ref, task in tasks[:_SHOWN]
    ]
    columns = ("ref", "name", "first number", "second number", "attempts", "start")
    print_table(f"{file.name}: the first {len(rows)} of {len(tasks)} tasks", columns, rows)
    separators = {None: "JSON", ",": "comma", ";": "semicolon", "\t": "tab"}
    STDOUT.print(
        f"Read as {file.encoding}, {separators[file.separator]}. Nothing is wrong, and nothing was sent.",
        highlight=False,
    )
    if not file.has_refs:
        STDOUT.print(
            "Some rows have no `ref`: if the file is sent a second time, everybody is called again.",
            highlight=False,
        )


def _show(results: Sequence[CreationResult], as_json: bool) -> None:
    """Print the result of each task. Exit 1 if a task is not known to exist."""
    there = [result for result in results if result.state in ("created", "exists")]
    others = [result for result in results if result.state not in ("created", "exists")]
    unknown = [result.ref for result in others if result.state == "unknown"]
    problem = others[0].problem if others else None
    if as_json:
        tasks = [
            {"ref": ref, "task_id": task_id, "created": state == "created"}
            for ref, state, task_id, *_ in there
        ]
        print_json(
            {
                "tasks": tasks,
                "in_doubt": unknown,
                "problem": problem,
                "results": [result._asdict() for result in results],
            }
        )
    else:
        words = {"created": "created", "exists": "existed"}
        rows = [(ref, task_id, words.get(state, state)) for ref, state, task_id, *_ in results]
        print_table("Tasks", ("ref", "id", ""), rows)
    if not others:
        return
    for text in dict.fromkeys(result.problem for result in others):
        refs = [result.ref for result in others if result.problem == text]
        print_error(f"{', '.join(refs[:_SHOWN])}{' …' if len(refs) > _SHOWN else ''}: {text}")
    if unknown:
        STDERR.print(
            f"Possibly created: {', '.join(unknown)}. Run the same file again later.", highlight=False
        )
    raise typer.Exit(1)
