"""What a receiver has acknowledged and not finished: hooks that are not read, tasks that are not folded."""

import time
from contextlib import closing

from sqlalchemy import Connection

from receiver.storage.engine import Store

UNFINISHED = (
    "SELECT (SELECT coalesce(sum(count), 0) FROM inbox)"
    " + (SELECT coalesce(sum(count), 0) FROM set_aside) + (SELECT count(*) FROM dirty_task)"
)
"""Hooks in the inbox or set aside, and dirty tasks, also those that could not be folded."""


def unfinished(connection: Connection) -> int:
    """How many hooks and tasks are not finished."""
    return int(connection.exec_driver_sql(UNFINISHED).scalar_one())


def wait_until_finished(target: str, patience_s: float) -> None:
    """Wait until nothing is left to read or to fold. Raises TimeoutError."""
    deadline = time.monotonic() + patience_s
    with closing(Store(target)) as store:
        while True:
            with store.snapshot() as connection:
                left = unfinished(connection)
            if not left:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{left} hooks and tasks are not read or folded")
            time.sleep(0.1)
