"""Options that several commands share."""

from typing import Annotated

import typer

AccountOption = Annotated[str | None, typer.Option(help="Only this account's.")]
QueueOption = Annotated[str | None, typer.Option("--queue", help="Only this queue's, by the scheduler's id.")]
SinceOption = Annotated[str | None, typer.Option(help="From this moment on, ISO 8601 or epoch seconds.")]
LimitOption = Annotated[int, typer.Option(help="At most so many.", min=1, max=500)]
CursorOption = Annotated[str | None, typer.Option(help="The page after the one that printed this.")]
NumbersOption = Annotated[bool, typer.Option("--numbers", help="Show phone numbers in full.")]
