"""Back up a SQLite store that may be in use."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from receiver.errors import StoreError

_PAGES = 1024
"""Pages that one step copies: 4 MiB."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup and its content. `size`: bytes; `unread`: hooks in the inbox."""

    file: Path
    size: int
    facts: int
    deliveries: int
    unread: int


def back_up(source: Path, target: Path, progress: Callable[[float], None]) -> Backup:
    """Copy the store of one moment, while others may write. `progress` gets the part that is done, 0 to 1.

    The backup is one checked file. It replaces the target in one step or not at all. Raises StoreError.
    """
    part = target.with_name(f"{target.name}.part")
    _clear(part)
    try:
        with closing(_open(source)) as live, closing(_open(part, "rwc")) as copy:
            # The read transaction holds the source at one moment. Without it, each commit of another process
            # would restart the copy, which would never end beside a busy `serve`.
            live.execute("BEGIN")
            live.execute("SELECT count(*) FROM sqlite_master").fetchone()
            live.backup(copy, pages=_PAGES, progress=lambda _, left, all_: progress(1 - left / max(all_, 1)))
            backup = _check(copy, part, target)
        shutil.copymode(source, part)
        _put_in_place(part, target)
    except sqlite3.Error as error:
        raise StoreError(f"{target} was not made: {type(error).__name__}: {error}") from None
    finally:
        _clear(part)
    return backup


def _open(path: Path, mode: str = "rw") -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None)


def _check(copy: sqlite3.Connection, part: Path, target: Path) -> Backup:
    # Without a WAL, the file can be moved, and read on a read-only disk.
    copy.execute("PRAGMA journal_mode=DELETE")
    problems = [text for (text,) in copy.execute("PRAGMA integrity_check(1)")]
    if problems != ["ok"]:
        raise StoreError(f"{target} was not made: the store is damaged ({problems[0]}): restore a backup")
    query = "SELECT (SELECT count(*) FROM fact), (SELECT count(*) FROM delivery)"
    facts, deliveries = copy.execute(query).fetchone()
    return Backup(target, part.stat().st_size, facts, deliveries, _unread(copy))


def _unread(copy: sqlite3.Connection) -> int:
    """Return the number of hooks in the inbox, 0 for a store of an earlier version, which has no inbox."""
    if not copy.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'inbox'").fetchone():
        return 0
    return int(copy.execute('SELECT coalesce(sum("count"), 0) FROM inbox').fetchone()[0])


def _clear(part: Path) -> None:
    """Delete the file and SQLite's files beside it: an old journal would be replayed into the next copy."""
    for end in ("", "-journal", "-wal", "-shm"):
        Path(f"{part}{end}").unlink(missing_ok=True)


def _put_in_place(part: Path, target: Path) -> None:
    """Replace the target in one step that survives a loss of power."""
    os.replace(part, target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
