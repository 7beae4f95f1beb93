"""Dirty tasks: tasks about which there are facts that are not folded yet.

The transaction that appends facts of hooks marks their tasks; the transaction that folds takes the marks. On
PostgreSQL both may run at the same time, so a mark is also a lock: a mark that is being set is not taken, and
a mark that is being taken is set again only after the fold's commit.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, select

from receiver.ledger.problems import retry_at
from receiver.ledger.tables import DIRTY_TASK
from receiver.storage.bulk import is_postgres, run


class DirtyTask(NamedTuple):
    """`name`: a ref, or `#` and a task id."""

    account: str
    name: str


def mark(connection: Connection, tasks: Mapping[DirtyTask, float]) -> None:
    """Mark tasks about which facts were added. Values: when the first of them came, epoch seconds."""
    # In one order, so that two receivers that mark the same tasks cannot deadlock.
    rows = sorted((account, name, since) for (account, name), since in tasks.items())
    if not rows:
        return
    accounts, names, times = (list(column) for column in zip(*rows, strict=True))
    if is_postgres(connection):
        connection.exec_driver_sql(_MARK_ON_POSTGRES, (accounts, names, times))
    else:
        connection.exec_driver_sql(_MARK_ON_SQLITE, rows)


_MARK_ON_SQLITE = "INSERT OR IGNORE INTO dirty_task (account, name, since) VALUES (?, ?, ?)"
_MARK_ON_POSTGRES = """
INSERT INTO dirty_task (account, name, since)
SELECT * FROM unnest(%s::text[], %s::text[], %s::float8[])
ON CONFLICT (account, name) DO UPDATE SET since = dirty_task.since
"""
"""The update changes nothing, but waits for a fold that has taken the mark, and sets it again."""


def due(
    connection: Connection, now: float, limit: int, without: Collection[DirtyTask] = ()
) -> list[DirtyTask]:
    """Return the tasks that are to be folded now, the longest waiting first."""
    query = "SELECT account, name FROM dirty_task WHERE retry_at <= ? ORDER BY retry_at, since LIMIT ?"
    tasks = [DirtyTask(*row) for row in run(connection, query, now, limit + len(without))]
    return [task for task in tasks if task not in without][:limit] if without else tasks


def take(connection: Connection, tasks: Iterable[DirtyTask]) -> list[DirtyTask]:
    """Delete the marks that are not being set, and return their tasks."""
    taken: list[DirtyTask] = []
    by_account: dict[str, list[str]] = {}
    for task in tasks:
        by_account.setdefault(task.account, []).append(task.name)
    for account, names in by_account.items():
        if is_postgres(connection):
            rows = connection.exec_driver_sql(_TAKE_ON_POSTGRES, (account, names))
        else:
            rows = run(connection, _TAKE_ON_SQLITE, account, names)
        taken += [DirtyTask(account, name) for (name,) in rows]
    return taken


_TAKE_ON_SQLITE = "DELETE FROM dirty_task WHERE account = ? AND name IN ? RETURNING name"
_TAKE_ON_POSTGRES = """
WITH free AS MATERIALIZED (
    SELECT account, name FROM dirty_task WHERE account = %s AND name = ANY(%s) FOR UPDATE SKIP LOCKED
)
DELETE FROM dirty_task USING free
WHERE dirty_task.account = free.account AND dirty_task.name = free.name RETURNING dirty_task.name
"""


def set_aside(connection: Connection, task: DirtyTask, problem: str, now: float) -> None:
    """Set aside a task that could not be folded, until its next retry."""
    query = "SELECT failures FROM dirty_task WHERE account = ? AND name = ?"
    failures = run(connection, query, *task).scalar()
    if failures is None:
        return
    change = "UPDATE dirty_task SET failures = ?, retry_at = ?, problem = ? WHERE account = ? AND name = ?"
    run(connection, change, failures + 1, retry_at(now, failures + 1), problem, *task)


def retry_all(connection: Connection) -> int:
    """Let set-aside tasks be retried now, and return their number. A task that is just being marked is
    left.
    """
    if is_postgres(connection):
        return int(connection.exec_driver_sql(_RETRY_ON_POSTGRES).rowcount)
    return int(run(connection, "UPDATE dirty_task SET retry_at = 0 WHERE retry_at > 0").rowcount)


_RETRY_ON_POSTGRES = """
WITH free AS MATERIALIZED (
    SELECT account, name FROM dirty_task WHERE retry_at > 0 FOR UPDATE SKIP LOCKED
)
UPDATE dirty_task SET retry_at = 0 FROM free
WHERE dirty_task.account = free.account AND dirty_task.name = free.name
"""


def among(connection: Connection, account: str, names: Sequence[str]) -> set[str]:
    """Return the names of dirty tasks."""
    query = "SELECT name FROM dirty_task WHERE account = ? AND name IN ?"
    return set(run(connection, query, account, list(names)).scalars())


def marks(connection: Connection, account: str, names: Sequence[str]) -> Sequence[Row[Any]]:
    """Return the marks of a task under its names: since, failures, retry_at, problem."""
    query = (
        "SELECT since, failures, retry_at, problem FROM dirty_task "
        "WHERE account = ? AND name IN ? ORDER BY since"
    )
    rows: Sequence[Row[Any]] = run(connection, query, account, list(names)).all()
    return rows


class Waiting(NamedTuple):
    """Number of tasks that are to be folded. `since`: when the first became dirty, epoch seconds, or None."""

    tasks: int
    since: float | None


def waiting(connection: Connection) -> Waiting:
    """Return what is to be folded, without set-aside tasks."""
    query = select(func.count(), func.min(DIRTY_TASK.c.since)).where(DIRTY_TASK.c.failures == 0)
    return Waiting(*connection.execute(query).one())
