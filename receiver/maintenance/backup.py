"""Copies of a SQLite store that may be in use."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from receiver.errors import StoreError

_PAGES = 1024
"""Pages a step: 4 MiB."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy and what is in it. `size`: bytes; `unread`: hooks in the inbox."""

    file: Path
    size: int
    facts: int
    deliveries: int
    unread: int


def back_up(source: Path, target: Path, progress: Callable[[float], None]) -> Copy:
    """Copy the store as it is at this moment, while others write on; `progress` hears which part is done.

    The copy is one file, checked and on disk, and takes the target's place at once or not at all.
    Raises StoreError.
    """
    part = target.with_name(f"{target.name}.part")
    _clear(part)
    try:
        with closing(_open(source)) as live, closing(_open(part, "rwc")) as copy:
            # Its own read transaction holds the source at one moment. Without it, each commit of another
            # process would begin the copy anew, and beside a busy `serve` it would never end.
            live.execute("BEGIN")
            live.execute("SELECT count(*) FROM sqlite_master").fetchone()
            live.backup(copy, pages=_PAGES, progress=lambda _, left, all_: progress(1 - left / max(all_, 1)))
            made = _check(copy, part, target)
        shutil.copymode(source, part)
        _put_in_place(part, target)
    except sqlite3.Error as error:
        raise StoreError(f"{target} was not made: {type(error).__name__}: {error}") from None
    finally:
        _clear(part)
    return made


def _open(path: Path, mode: str = "rw") -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None)


def _check(copy: sqlite3.Connection, part: Path, target: Path) -> Copy:
    # Without a log beside it, so that it can be moved, and read where nothing can be written.
    copy.execute("PRAGMA journal_mode=DELETE")
    problems = [text for (text,) in copy.execute("PRAGMA integrity_check(1)")]
    if problems != ["ok"]:
        raise StoreError(f"{target} was not made: the store is damaged ({problems[0]}): restore a backup")
    counting = "SELECT (SELECT count(*) FROM fact), (SELECT count(*) FROM delivery)"
    facts, deliveries = copy.execute(counting).fetchone()
    return Copy(target, part.stat().st_size, facts, deliveries, _unread(copy))


def _unread(copy: sqlite3.Connection) -> int:
    """The hooks in the inbox. Stores of earlier versions, which are copied before an upgrade, have none."""
    if not copy.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'inbox'").fetchone():
        return 0
    return int(copy.execute('SELECT coalesce(sum("count"), 0) FROM inbox').fetchone()[0])


def _clear(part: Path) -> None:
    """Also what SQLite keeps beside it: left of a copy that was killed, it would be played into the next."""
    for end in ("", "-journal", "-wal", "-shm"):
        Path(f"{part}{end}").unlink(missing_ok=True)


def _put_in_place(part: Path, target: Path) -> None:
    """As one step that survives a loss of power."""
    os.replace(part, target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
