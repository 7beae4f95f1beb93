"""Options that commands share, and their output: tables for people, JSON for programs, errors on stderr."""

import json
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from textwrap import fill
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from receiver.cli.tables import Column, print_fitting, write_csv
from receiver.cli.times import Moment, display, moment_of, times

STDOUT = Console(soft_wrap=True)
STDERR = Console(stderr=True, soft_wrap=True)


def _remember_config(path: Path | None) -> Path | None:
    """Let everything that the command prints follow the settings of this file."""
    display().config = path
    return path


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        callback=_remember_config,
        help="Settings file. Default: $RECEIVER_CONFIG or ./receiver.toml.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
AccountOption = Annotated[str | None, typer.Option(help="Only of this account.")]
QueueOption = Annotated[
    str | None, typer.Option("--queue", help="Only of the queue with this name, or id at the scheduler.")
]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", help="From this moment on: a day, a date and time, or an age such as 2h."),
]
LimitOption = Annotated[int, typer.Option(help="Maximum number of rows.", min=1, max=500)]
CursorOption = Annotated[
    str | None, typer.Option(help="Cursor of the next page, as the page before printed it.")
]
NumbersOption = Annotated[bool, typer.Option("--numbers", help="Show phone numbers in full.")]


def print_json(value: Any) -> None:
    """Print one JSON document to standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def print_table(title: str, columns: Sequence[str | Column], rows: Iterable[Sequence[object]]) -> None:
    """Print a table that fits the terminal, or with `--csv` the same rows as CSV.

    A missing value is a dash. A cell that is a `Moment` is printed in the zone of the command.
    """
    shaped = [Column(column) if isinstance(column, str) else column for column in columns]
    if display().csv:
        write_csv(shaped, rows)
    else:
        print_fitting(STDOUT, title, shaped, list(rows))


def print_note(text: str) -> None:
    """Print a line that belongs to a table: to standard error if standard output is CSV. A terminal gets it
    wrapped between words.
    """
    console = STDERR if display().csv else STDOUT
    if console.is_terminal:
        text = fill(text, console.width, break_long_words=False, break_on_hyphens=False)
    console.print(text, markup=False, highlight=False)


def print_error(text: str) -> None:
    """Print an error to standard error."""
    STDERR.print(Text.assemble(("error:", "bold red"), f" {text}"), highlight=False)


def moment(at: float | None) -> str | None:
    """Format epoch seconds as date and time, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S") if at is not None else None


def print_available(answer: Mapping[str, Any]) -> None:
    """Print from when to when there are rows, if a page is empty because of its period."""
    if found := answer.get("available"):
        first, last = moment_of(found["first"]), moment_of(found["last"])
        if first and last:
            zone = times().calendar.name
            print_note(f"None in this period. There are some from {first.dated} to {last.dated} ({zone}).")


def print_cursor(cursor: str | None) -> None:
    """Print the command that prints the next page, if there is one."""
    if cursor:
        STDERR.print(f"More rows: {next_page(sys.argv[1:], cursor)}", markup=False, highlight=False)


def next_page(typed: Sequence[str], cursor: str) -> str:
    """Return the typed command with this cursor, as a line for a shell."""
    words, skipped = ["receiver"], False
    for word in typed:
        if not skipped and word != "--cursor" and not word.startswith("--cursor="):
            words.append(word)
        skipped = word == "--cursor"
    return shlex.join([*words, "--cursor", cursor])


def counts_text(value: Any) -> Any:
    """Format counts by name as a text; return any other value unchanged."""
    return ", ".join(f"{count} {name}" for name, count in value.items()) if isinstance(value, dict) else value


def short_moment(at: str | float | None) -> Moment | None:
    """Return a moment of the API, or in epoch seconds, as a cell of a table."""
    return moment_of(at)
