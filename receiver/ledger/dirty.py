"""Dirty tasks: those about which there are facts that their timelines do not hold yet.

Who adds facts of hooks marks their tasks in the same transaction; who folds takes the marks away in that
which writes the timelines. On PostgreSQL the two may run at the same time, so a mark is also a lock: a mark
that somebody is setting is not taken yet, and one that is taken is set anew only after the fold's commit.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from receiver.ledger.problems import retry_at
from receiver.ledger.tables import DIRTY_TASK
from receiver.storage.bulk import is_postgres, run


class DirtyTask(NamedTuple):
    """`name`: a ref, or `#` and a task id."""

    account: str
    name: str


def mark(connection: Connection, tasks: Mapping[DirtyTask, float]) -> None:
    """Mark tasks of which facts were added; each with the epoch second at which the first of them came."""
    # In one order, so that two receivers which mark the same tasks cannot wait for each other.
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
"""The update changes nothing but waits for a fold that has taken the mark, which then is set anew."""


def due(
    connection: Connection, now: float, most: int, without: Collection[DirtyTask] = ()
) -> list[DirtyTask]:
    """The tasks that are to be folded now, those that wait for longest first."""
    query = "SELECT account, name FROM dirty_task WHERE retry_at <= ? ORDER BY retry_at, since LIMIT ?"
    tasks = [DirtyTask(*row) for row in run(connection, query, now, most + len(without))]
    return [task for task in tasks if task not in without][:most] if without else tasks


def take(connection: Connection, tasks: Iterable[DirtyTask]) -> list[DirtyTask]:
    """Take the marks away that are there and that nobody is setting; whose they were."""
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
    """Let a task that could not be folded wait until it is tried again."""
    query = "SELECT failures FROM dirty_task WHERE account = ? AND name = ?"
    failures = run(connection, query, *task).scalar()
    if failures is None:
        return
    change = "UPDATE dirty_task SET failures = ?, retry_at = ?, problem = ? WHERE account = ? AND name = ?"
    run(connection, change, failures + 1, retry_at(now, failures + 1), problem, *task)


def retry_all(connection: Connection) -> int:
    """Let all tasks that were set aside be tried again now; how many. One that is marked just now is left."""
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
    """Those of the names whose tasks are dirty."""
    query = "SELECT name FROM dirty_task WHERE account = ? AND name IN ?"
    return set(run(connection, query, account, list(names)).scalars())


class Waiting(NamedTuple):
    """Tasks that are to be folded. `since`: when the first became dirty, epoch seconds; None without one."""

    tasks: int
    since: float | None


def waiting(connection: Connection) -> Waiting:
    """What is to be folded, without what is set aside."""
    query = select(func.count(), func.min(DIRTY_TASK.c.since)).where(DIRTY_TASK.c.failures == 0)
    return Waiting(*connection.execute(query).one())
