"""How commands speak: tables for people, JSON for machines, trouble on standard error."""

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
    typer.Option("--config", "-c", help="Settings file; default: $RECEIVER_CONFIG or ./receiver.toml."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table; what is not there is a dash."""
    table = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.header_style = "bold"
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row))
    STDOUT.print(table)


def _cell(value: object) -> Text:
    """Foreign text may hold what looks like markup: it is shown as it is."""
    return value if isinstance(value, Text) else Text("–" if value in (None, "") else str(value))


def print_error(text: str) -> None:
    """What could not be done and why, on standard error."""
    STDERR.print(Text.assemble(("error:", "bold red"), f" {text}"), highlight=False)


def moment(at: float | None) -> str | None:
    """Epoch seconds as people read them, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S") if at is not None else None


def say_next(cursor: str | None) -> None:
    """How to get the next page of a list, where there is one."""
    if cursor:
        STDERR.print(f"There are more: --cursor {cursor}", highlight=False)


def flat(value: Any) -> Any:
    """Counts by name as a text; anything else as it is."""
    return ", ".join(f"{count} {name}" for name, count in value.items()) if isinstance(value, dict) else value


def short_moment(at: str) -> str:
    """A moment of /v1 without year and fractions of seconds, UTC."""
    return at[5:19].replace("T", " ")
