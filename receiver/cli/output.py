"""Options that commands share, and their output: tables for people, JSON for programs, errors on stderr."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

STDOUT = Console(soft_wrap=True)
STDERR = Console(stderr=True, soft_wrap=True)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Settings file. Default: $RECEIVER_CONFIG or ./receiver.toml."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
AccountOption = Annotated[str | None, typer.Option(help="Only of this account.")]
QueueOption = Annotated[
    str | None, typer.Option("--queue", help="Only of the queue with this id at the scheduler.")
]
SinceOption = Annotated[str | None, typer.Option(help="From this moment: ISO 8601 or epoch seconds.")]
LimitOption = Annotated[int, typer.Option(help="Maximum number of rows.", min=1, max=500)]
CursorOption = Annotated[
    str | None, typer.Option(help="Cursor of the next page, as the page before printed it.")
]
NumbersOption = Annotated[bool, typer.Option("--numbers", help="Show phone numbers in full.")]


def print_json(value: Any) -> None:
    """Print one JSON document to standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; a missing value is a dash."""
    table = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.header_style = "bold"
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row))
    STDOUT.print(table)


def _cell(value: object) -> Text:
    """Return the text of a cell. Markup in it is not interpreted."""
    return value if isinstance(value, Text) else Text("–" if value in (None, "") else str(value))


def print_error(text: str) -> None:
    """Print an error to standard error."""
    STDERR.print(Text.assemble(("error:", "bold red"), f" {text}"), highlight=False)


def moment(at: float | None) -> str | None:
    """Format epoch seconds as date and time, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S") if at is not None else None


def print_cursor(cursor: str | None) -> None:
    """Print the cursor of the next page, if there is one."""
    if cursor:
        STDERR.print(f"More rows: --cursor {cursor}", highlight=False)


def counts_text(value: Any) -> Any:
    """Format counts by name as a text; return any other value unchanged."""
    return ", ".join(f"{count} {name}" for name, count in value.items()) if isinstance(value, dict) else value


def short_moment(at: str) -> str:
    """Return a moment of the API without year and fractions of seconds, UTC."""
    return at[5:19].replace("T", " ")
