"""Statements about files of tasks that were sent to the scheduler."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select, update

from receiver.reconcile.tables import TASK_FILE
from receiver.storage.bulk import write


def find(connection: Connection, key: dict[str, Any]) -> Row[Any] | None:
    """Return the row of a file, or None. `key`: account, queue_id and digest."""
    return connection.execute(select(TASK_FILE).where(*_is_file(key))).first()


def start(
    connection: Connection, key: dict[str, Any], new: dict[str, Any], again_after: Row[Any] | None
) -> Row[Any]:
    """Store a file unless it is stored, and return its row. Two runs at the same time get the same row.

    `again_after`: the complete run after which the file is sent again.
    """
    write(connection, TASK_FILE, "once", [new])
    if again_after is not None:
        is_same = TASK_FILE.c.started_at == again_after.started_at
        connection.execute(update(TASK_FILE).where(*_is_file(key), is_same).values(**new))
    return connection.execute(select(TASK_FILE).where(*_is_file(key))).one()


def complete(connection: Connection, key: dict[str, Any], at: float) -> None:
    """Note that all tasks of a file exist."""
    connection.execute(update(TASK_FILE).where(*_is_file(key)).values(completed_at=at))


def _is_file(key: dict[str, Any]) -> list[ColumnElement[bool]]:
    return [TASK_FILE.c[name] == value for name, value in key.items()]
