"""`receiver export`: tasks, attempts, outcomes, hooks or facts as a file."""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import aclosing, closing
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Annotated, NamedTuple

import typer

from receiver.analytics.export_endpoint import MAX_ROWS, ExportParams
from receiver.analytics.export_pages import ExportSelection, read_position
from receiver.analytics.exports import FORMATS, ExportWriter, FileFormat, export
from receiver.analytics.views import RELATIONS
from receiver.cli.export_resume import Kept, kept_of
from receiver.cli.local_api import query_of
from receiver.cli.options import AccountOption, NumbersOption, SinceOption
from receiver.cli.output import STDERR, ConfigOption
from receiver.errors import InputError, ReceiverError
from receiver.maintenance.schema import create_tables
from receiver.runtime.clock import WallClock
from receiver.settings.settings import load_settings
from receiver.storage.engine import Store

_NAMES = ", ".join(RELATIONS)
_NO_RESUMING = (
    "a Parquet file that broke off lacks its end, without which nobody can read it: begin anew, or export in "
    "parts, each with --since and --until, or with --limit and --after"
)

_NOTHING = Kept()


def export_rows(
    relation: Annotated[str, typer.Argument(help=f"{_NAMES}.")],
    *,
    format_: Annotated[
        str | None, typer.Option("--format", help="csv, jsonl, parquet; default: by the file's name, or csv.")
    ] = None,
    out: Annotated[str, typer.Option(help="The file; - for standard output.")] = "-",
    since: SinceOption = None,
    until: Annotated[str | None, typer.Option(help="Before this moment.")] = None,
    account: AccountOption = None,
    after: Annotated[str | None, typer.Option(help="Go on behind the row with this position.")] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many rows.", min=1, max=MAX_ROWS)] = None,
    numbers: NumbersOption = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with FILE.part, which broke off.")] = False,
    config: ConfigOption = None,
) -> None:
    """Export all rows, or those of a range of time, as CSV, JSON Lines or Parquet.

    A file is FILE.part until it is whole.
    """
    if relation not in RELATIONS:
        raise InputError("relation", f"one of {_NAMES}")
    found = RELATIONS[relation]
    asked = query_of(
        ExportParams, format=format_, since=since, until=until, account=account, after=after, limit=limit
    )
    place = read_position(asked.after, found) if asked.after is not None else ()
    selection = ExportSelection(found, numbers, asked.account, asked.since, asked.until, place, asked.limit)
    kind = _format(asked.format, out)
    if out == "-":
        _insist_on_text(kind, is_resumed=resume)
    elif resume:
        _insist_on_resumable(kind, selection)
    settings = load_settings(config)
    now = WallClock(settings.clock_speed, settings.clock_origin).now()
    with closing(Store(settings.store)) as store:
        create_tables(store)
        task = _Task(store, selection, kind, kind.make(found), now)
        _write_out(task, out, is_resumed=resume)


class _Task(NamedTuple):
    store: Store
    selection: ExportSelection
    kind: FileFormat
    writer: ExportWriter
    now: float


def _format(name: str | None, out: str) -> FileFormat:
    """The one that was asked for, or that of the file's name."""
    by_suffix = {each.suffix: each for each in FORMATS.values()}
    return FORMATS[name] if name else by_suffix.get(Path(out).suffix, FORMATS["csv"])


def _insist_on_text(kind: FileFormat, *, is_resumed: bool) -> None:
    if is_resumed:
        raise InputError("--resume", "needs --out FILE: it goes on with FILE.part")
    if kind is FORMATS["parquet"]:
        raise InputError("--out", "Parquet is written into a file: name one")


def _insist_on_resumable(kind: FileFormat, selection: ExportSelection) -> None:
    if kind is FORMATS["parquet"]:
        raise InputError("--resume", _NO_RESUMING)
    if selection.after:
        raise InputError("--after", "leave it out: --resume goes on behind the last row of FILE.part")


def _write_out(task: _Task, out: str, *, is_resumed: bool) -> None:
    if out == "-":
        _run(task, lambda data: sys.stdout.write(data.decode()))
    else:
        _write_file(task, Path(out), is_resumed=is_resumed)


def _write_file(task: _Task, path: Path, *, is_resumed: bool) -> None:
    """The file comes into being whole, or not at all."""
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
        if task.kind is not FORMATS["parquet"]:
            STDERR.print(f"{part} has the rows so far: --resume goes on behind them", highlight=False)
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

    def told() -> str:
        there = f" and {kept.rows:,} that were there" if kept.rows else ""
        took = monotonic() - began
        return f"{rows:,} rows{there} in {took:.1f} s, {rows / max(took, 0.001):,.0f} rows/s"

    async def run() -> None:
        nonlocal rows
        async with aclosing(
            export(task.store, selection, task.writer, task.now, is_begun=kept.size > 0)
        ) as made:
            async for part in made:
                write(part.data)
                rows += part.rows
                status.update(told())

    with STDERR.status("exporting …") as status:
        if selection.limit != 0:
            asyncio.run(run())
    STDERR.print(told(), highlight=False)
