"""`receiver export`: a relation as a file."""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Annotated, NamedTuple

import typer

from receiver.analytics.export_endpoint import MAX_ROWS, ExportParams, export_parts, selection_of
from receiver.analytics.export_pages import ExportSelection, read_position
from receiver.analytics.exports import FORMATS, ExportWriter, FileFormat, spreadsheet_csv
from receiver.analytics.views import RELATIONS
from receiver.cli.export_resume import Kept, kept_of
from receiver.cli.files import ForceOption, LocaleOption, require_new
from receiver.cli.local_api import naming_options, open_local_api, query_of
from receiver.cli.output import STDERR, AccountOption, ConfigOption, NumbersOption
from receiver.cli.table_options import timed, zoned
from receiver.cli.task_filters import TaskFilterOptions, filtered, untold_tasks_service
from receiver.cli.times import PeriodOptions
from receiver.errors import InputError, ReceiverError
from receiver.http.endpoint import Call

_NAMES = ", ".join(RELATIONS)
_NO_RESUMING = (
    "an interrupted Parquet or Excel file cannot be continued, since its end is missing: start again, or "
    "export in parts with --since and --until, or with --limit and --after"
)

_NOTHING = Kept()

_WHOLE = (FORMATS["parquet"], FORMATS["xlsx"])
"""Formats whose files are of no use without their end."""


@zoned
@filtered
@timed
def export_rows(
    relation: Annotated[str, typer.Argument(help=f"One of {_NAMES}.")],
    *,
    format_: Annotated[
        str | None,
        typer.Option("--format", help="csv, jsonl, xlsx or parquet. Default: by the ending, or csv."),
    ] = None,
    out: Annotated[str, typer.Option(help="Output file; - for standard output.")] = "-",
    locale: LocaleOption = None,
    force: ForceOption = False,
    period: PeriodOptions,
    account: AccountOption = None,
    filters: TaskFilterOptions,
    after: Annotated[str | None, typer.Option(help="Start after the row with this position.")] = None,
    limit: Annotated[int | None, typer.Option(help="Maximum number of rows.", min=1, max=MAX_ROWS)] = None,
    numbers: NumbersOption = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted export in FILE.part.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Export rows as CSV, JSON Lines, Excel or Parquet, all or from a time range.

    The file is named FILE.part until it is complete. Filters of tasks are for tasks and attempts only.
    """
    if relation not in RELATIONS:
        raise InputError("relation", f"must be one of {_NAMES}")
    found = RELATIONS[relation]
    given = {"account": account, **filters.parameters(), **period.parameters()}
    asked = query_of(ExportParams, format=format_, after=after, limit=limit, **given)
    kind = _format(asked.format, out)
    if out == "-":
        _check_standard_output(kind, is_resumed=resume)
    else:
        if resume:
            _check_resume(kind, asked, locale)
        require_new(Path(out), "--out", is_forced=force)
        if not resume and not force and Path(f"{out}.part").exists():
            raise InputError("--out", f"{out}.part is of an interrupted export: use --resume, or --force")
    if locale is not None:
        kind = _localized(kind, locale)
    with open_local_api(config, untold_tasks_service if filters.problem else None) as api:
        call = api.call(asked, {}, numbers=numbers)
        with naming_options(ExportParams.model_fields):
            selection = selection_of(call, found)
        _write_out(_Task(call, selection, kind, kind.make(found)), out, is_resumed=resume)


class _Task(NamedTuple):
    call: Call[ExportParams, None]
    selection: ExportSelection
    kind: FileFormat
    writer: ExportWriter


def _format(name: str | None, out: str) -> FileFormat:
    """Return the format of the option, or else of the file's ending. Raises InputError if the ending is
    unknown, or of another format.
    """
    by_suffix = {each.suffix: each for each in FORMATS.values()}
    suffix = Path(out).suffix.lower()
    found = by_suffix.get(suffix)
    if name is None:
        if suffix and found is None:
            known = ", ".join(by_suffix)
            raise InputError("--out", f"unknown ending {suffix}: use one of {known}, or give --format")
        return found or FORMATS["csv"]
    if found not in (None, FORMATS[name]):
        raise InputError("--format", f"{name} does not fit the ending {suffix}: change one of the two")
    return FORMATS[name]


def _localized(kind: FileFormat, locale: str) -> FileFormat:
    if kind is not FORMATS["csv"]:
        raise InputError("--locale", "is for CSV only: a file of another format has no separators")
    try:
        return spreadsheet_csv(locale)
    except InputError as error:
        raise InputError("--locale", error.problem) from None


def _check_standard_output(kind: FileFormat, *, is_resumed: bool) -> None:
    if is_resumed:
        raise InputError("--resume", "requires --out FILE: it continues FILE.part")
    if kind in _WHOLE:
        raise InputError("--out", f"{kind.suffix} requires a file")


def _check_resume(kind: FileFormat, asked: ExportParams, locale: str | None) -> None:
    if kind in _WHOLE:
        raise InputError("--resume", _NO_RESUMING)
    if locale is not None:
        raise InputError("--resume", "cannot be used with --locale: start again")
    if asked.after is not None:
        raise InputError(
            "--after", "cannot be used with --resume, which starts after the last row of FILE.part"
        )


def _write_out(task: _Task, out: str, *, is_resumed: bool) -> None:
    if out == "-":
        _run(task, lambda data: sys.stdout.write(data.decode()))
    else:
        _write_file(task, Path(out), is_resumed=is_resumed)


def _write_file(task: _Task, path: Path, *, is_resumed: bool) -> None:
    """Write FILE.part, and rename it when it is complete."""
    part, kept = Path(f"{path}.part"), Kept()
    if is_resumed and part.exists():
        is_csv = task.kind is FORMATS["csv"]
        kept = kept_of(part, task.selection.relation, task.writer, is_csv=is_csv)
    try:
        with part.open("r+b" if kept.size else "wb") as file:
            file.truncate(kept.size)
            file.seek(kept.size)
            _run(task, file.write, kept)
            file.flush()
            os.fsync(file.fileno())
    except (KeyboardInterrupt, ReceiverError):
        if task.kind in (FORMATS["csv"], FORMATS["jsonl"]):
            STDERR.print(f"{part} has the rows so far: continue with --resume", highlight=False)
        raise
    part.replace(path)


def _run(task: _Task, write: Callable[[bytes], object], kept: Kept = _NOTHING) -> None:
    """Append the rows that are not in the file yet, and show progress."""
    selection = task.selection
    if kept.position is not None:
        selection = replace(selection, after=read_position(kept.position, selection.relation))
    if selection.limit is not None:
        selection = replace(selection, limit=max(0, selection.limit - kept.rows))
    began, rows = monotonic(), 0

    def progress() -> str:
        there = f" after {kept.rows:,} existing rows" if kept.rows else ""
        took = monotonic() - began
        return f"{rows:,} rows{there} in {took:.1f} s, {rows / max(took, 0.001):,.0f} rows/s"

    async def run() -> None:
        nonlocal rows
        async with aclosing(export_parts(task.call, selection, task.writer, is_begun=kept.size > 0)) as parts:
            async for part in parts:
                write(part.data)
                rows += part.rows
                status.update(progress())

    with STDERR.status("exporting …") as status:
        if selection.limit != 0:
            asyncio.run(run())
    STDERR.print(progress(), highlight=False)
