"""Options that several commands share."""

from typing import Annotated

import typer

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
