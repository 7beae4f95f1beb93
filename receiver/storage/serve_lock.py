"""The lock of `serve` on a SQLite file: one process at a time, as each reads and folds as if it were alone.

It is a file lock beside the store, which ends with its process. Other commands do not take it.
"""

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import structlog

from receiver.errors import StoreHeldError, StoreUnavailableError
from receiver.storage.postgres import is_url

_log = structlog.get_logger("receiver.store")

SUFFIX = "-serve"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_MAX_BYTES = 1000


@contextmanager
def holding(target: str) -> Iterator[None]:
    """Lock the store for this process; do nothing on PostgreSQL. Raises StoreHeldError if another process
    serves it, and StoreUnavailableError if its folder is not writable.
    """
    if is_url(target):
        yield
        return
    path = Path(target).resolve()  # symbolic links lead to the same lock
    file = _opened(path.with_name(path.name + SUFFIX))
    try:
        _lock(file, target)
        yield
    finally:
        os.close(file)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreUnavailableError(f"{path} cannot be written: {error.strerror}") from None


def _lock(file: int, target: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StoreHeldError(
            f"{target} is served by another process: {_holder(file)}. Stop that one, or give this one a "
            "store of its own; several receivers can share a PostgreSQL database"
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise StoreUnavailableError(f"{target} cannot be locked: {error.strerror}") from None
        _log.warning("the file system has no locks: run only one `serve` on this store")
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
    with suppress(OSError):  # a full disk does not prevent the lock
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(holder).encode(), 0)


def _holder(file: int) -> str:
    """Return the process that holds the lock, as it noted itself."""
    try:
        holder = json.loads(os.pread(file, _MAX_BYTES, 0))
        return f"pid {holder['pid']} on {holder['host']} since {holder['since']} UTC"
    except (ValueError, KeyError, TypeError):
        return "it has just started"
