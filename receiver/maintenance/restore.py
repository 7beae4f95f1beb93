"""Put a backup in the place of a SQLite store. The replaced store is kept beside it."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from receiver.errors import StoreError
from receiver.maintenance import schema
from receiver.maintenance.backup import Backup, back_up
from receiver.storage.engine import Store
from receiver.storage.serve_lock import holding


@dataclass(frozen=True, slots=True)
class Restored:
    """`replaced`: where the store before is now, None if there was none."""

    backup: Backup
    revision: str | None
    replaced: Path | None


def restore(backup: Path, store: Path, progress: Callable[[float], None]) -> Restored:
    """Check the backup, keep the store under another name, and put a copy of the backup in its place.

    The store is replaced in one step or not at all. `progress` gets the part that is copied, 0 to 1. Raises
    StoreHeldError if a receiver serves the store, StoreError if the backup or the store cannot be used.
    """
    with holding(str(store)):
        copy = store.with_name(f"{store.name}.restoring")
        try:
            _require_store(backup)
            checked = _copy(backup, copy, progress)
            revision = _revision(copy, backup)
            replaced = _keep(store) if store.exists() else None
            os.replace(copy, store)
        finally:
            copy.unlink(missing_ok=True)
    return Restored(checked, revision, replaced)


def _require_store(backup: Path) -> None:
    """Raise StoreError if the file is not a SQLite database with the ledger of a receiver."""
    try:
        with closing(sqlite3.connect(f"{backup.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'fact'")
            is_store = found.fetchone() is not None
    except sqlite3.Error:
        is_store = False
    if not is_store:
        raise StoreError(
            f"{backup} is not a backup of a store: use a file that `receiver db backup` has made"
        )


def _copy(backup: Path, copy: Path, progress: Callable[[float], None]) -> Backup:
    try:
        return back_up(backup, copy, progress)
    except StoreError as error:
        raise StoreError(f"{backup} cannot be restored; use another backup ({error})") from None


def _revision(copy: Path, backup: Path) -> str | None:
    """Return the revision of the backup. Raises StoreError if this version cannot use it."""
    with closing(Store(str(copy))) as store, store.snapshot() as connection:
        standing = schema.examine(connection)
    for end in ("-wal", "-shm"):
        Path(f"{copy}{end}").unlink(missing_ok=True)
    if standing.verdict in ("newer", "foreign", "empty"):
        raise StoreError(f"{backup}: {standing.problem or 'it has no tables of a receiver'}")
    return standing.revision


def _keep(store: Path) -> Path:
    """Give the store a second name, with all its commits. Raises StoreError if it is in use."""
    try:
        with closing(sqlite3.connect(store, isolation_level=None, timeout=1)) as connection:
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.DatabaseError:
        busy = 0  # it is damaged: the backup replaces it, and its log is kept with it
    log = Path(f"{store}-wal")
    if busy:
        raise StoreError(f"{store} is used by another command: wait until it has ended")
    replaced = store.with_name(f"{store.name}.replaced-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}")
    try:
        os.link(store, replaced)
    except OSError:  # a file system without links
        shutil.copy2(store, replaced)
    if log.exists() and log.stat().st_size:
        log.rename(f"{replaced}-wal")
    for end in ("-wal", "-shm"):
        Path(f"{store}{end}").unlink(missing_ok=True)
    return replaced
