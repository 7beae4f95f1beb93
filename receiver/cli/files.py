"""Options of commands that write files, and the protection of files that exist."""

from pathlib import Path
from typing import Annotated

import typer

from receiver.errors import InputError

ForceOption = Annotated[bool, typer.Option("--force", help="Replace a file that exists.")]

LocaleOption = Annotated[
    str | None,
    typer.Option(
        "--locale",
        help="CSV for spreadsheets of this language, such as en, ru or de: byte order mark, separator and "
        "decimal mark.",
    ),
]


def require_new(path: Path, option: str, *, is_forced: bool) -> None:
    """Raise InputError if the file exists, unless `--force` is given."""
    if path.is_file() and not is_forced:
        raise InputError(option, f"{path} exists: use --force to replace it, or another name")
