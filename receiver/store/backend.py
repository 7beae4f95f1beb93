"""What the two databases have to offer, each in its own way."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

READERS = 4
"""Connections that read beside the writer."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One open database. `name`: what logs and people may see of it. `appending`: for `append`, which runs a
    statement with these values and commits it; `writing` again where there is one writer. `claiming`: for
    transactions that hold rows while they are worked on; None where there is one writer.
    """

    name: str
    writing: Engine
    reading: Engine
    appending: Engine
    append: Callable[[Engine, str, tuple[Any, ...]], None]
    claiming: Engine | None = None
    path: Path | None = None
