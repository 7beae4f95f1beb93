"""What the two databases have to offer, each in its own way."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine


@dataclass(frozen=True, slots=True)
class Backend:
    """One open database. `name`: what logs and people may see of it. `appending`: for `append`, which runs a
    statement with these values and commits it; `writing` again where there is one writer. `claiming`: for
    transactions that hold rows while they are worked on; None where there is one writer. `limited`: the
    statements on this connection end after this number of seconds. `cut`: cuts connections that have been in
    use for longer than this number of seconds; None where none can hang.
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
        """Let go of file or server."""
        for engine in (self.claiming, self.reading, self.appending, self.writing):
            if engine is not None:
                engine.dispose()
