"""Which facts name a task: conditions for statements on `fact`, and whether there are any."""

from collections.abc import Iterable

from sqlalchemy import Connection

from receiver.storage.bulk import is_postgres, run

BY_REF = "fact.account = ? AND ref IN ?"
BY_TASK_ID = "fact.account = ? AND task_id IN ? AND ref IS NULL"
"""Where the facts of tasks are found: by ref, and by task id those that name nothing else."""


def named_by(key: str) -> tuple[str, list[str]]:
    """A condition of facts that name the task as its key does, and the values for its second `?`."""
    return (BY_TASK_ID, [key[1:]]) if key.startswith("#") else (BY_REF, [key])


def in_order(connection: Connection) -> str:
    """By seq. On SQLite an index by ref or task id has that order. On PostgreSQL it has not, and with a plain
    `seq` the planner might go through the whole table by it.
    """
    return "seq + 0" if is_postgres(connection) else "seq"


def has_facts(connection: Connection, account: str, key: str, since: float) -> bool:
    """Whether any fact of this moment or later names the task as its key does."""
    where, names = named_by(key)
    query = f"SELECT 1 FROM fact WHERE {where} AND at >= ? LIMIT 1"  # noqa: S608 - our own words
    return run(connection, query, account, names, since).first() is not None


def have_facts(connection: Connection, account: str, keys: Iterable[str]) -> list[str]:
    """Those of the tasks of which there is any fact that names them as their key does."""
    return [key for key in keys if has_facts(connection, account, key, float("-inf"))]
