"""Who serves a SQLite file: one process at a time, since each reads and folds as if it were alone.

A lock of the system on a file beside the store says so. It ends with its process, however that ends. Commands
beside `serve` do not ask for it.
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
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_MOST_BYTES = 1000


@contextmanager
def holding(target: str) -> Iterator[None]:
    """Hold the store for this process; a PostgreSQL database is for many. Raises StoreHeldError where another
    process serves it, and StoreUnavailableError where its folder cannot be written to.
    """
    if is_url(target):
        yield
        return
    path = Path(target).resolve()  # a link leads to the same store
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
        if error.errno not in _WITHOUT_LOCKS:
            raise StoreUnavailableError(f"{target} cannot be locked: {error.strerror}") from None
        _log.warning("the file system has no locks: see to it that one `serve` at a time uses this store")
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
    with suppress(OSError):  # the disk may be full, and the lock holds all the same
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(holder).encode(), 0)


def _holder(file: int) -> str:
    """Who wrote down that it holds the lock."""
    try:
        holder = json.loads(os.pread(file, _MOST_BYTES, 0))
        return f"pid {holder['pid']} on {holder['host']} since {holder['since']} UTC"
    except (ValueError, KeyError, TypeError):
        return "it has just started"
