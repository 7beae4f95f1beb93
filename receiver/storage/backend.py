"""The interface of an open database, which SQLite and PostgreSQL implement."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine


@dataclass(frozen=True, slots=True)
class Backend:
    """An open database.

    `name`: without secrets, for logs. `appending`: engine of `append`, which runs and commits one statement;
    the same as `writing` on SQLite. `claiming`: engine of transactions that lock rows while they are
    processed; None on SQLite. `limited`: sets a time limit in seconds for the statements of a connection.
    `cut`: closes connections that have been in use for more seconds; None on SQLite, where none can hang.
    """

    name: str
    writing: Engine
    reading: Engine
    appending: Engine
    append: Callable[[Engine, str, tuple[Any, ...]], None]
    limited: Callable[[Connection, float], AbstractContextManager[None]]
    claiming: Engine | None = None
    cut: Callable[[float], None] | None = None
    path: Path | None = None

    def close(self) -> None:
        """Close all connections."""
        for engine in (self.claiming, self.reading, self.appending, self.writing):
            if engine is not None:
                engine.dispose()
