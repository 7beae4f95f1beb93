"""Other tasks of the same customer: those with the same phone number."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from receiver.tasks import queries

MANY = 100
"""Tasks beyond which a number is no customer's, but one of the company's own."""

_Name = tuple[str, str]
"""Account and key of a task."""

SHOWN = 10
"""Other tasks that are shown for each number."""


@dataclass(frozen=True, slots=True)
class SameNumber:
    """Tasks that share a number with the task. `leg`: of this task. `tasks`: rows of `task`, newest first, at
    most SHOWN. `count`: number of the other tasks.
    """

    leg: str
    e164: str
    count: int
    tasks: Sequence[Row[Any]]


def same_numbers(connection: Connection, account: str, key: str, until: float) -> list[SameNumber]:
    """Return the other tasks with each number of a task that began until a moment. Leave out numbers that
    are the company's own.
    """
    found = list(_others(connection, (account, key), until))
    rows = _tasks(connection, {name for _, others in found for name in others[:SHOWN]})
    return [
        SameNumber(
            number.leg, number.e164, len(others), [rows[name] for name in others[:SHOWN] if name in rows]
        )
        for number, others in found
    ]


def _others(connection: Connection, task: _Name, until: float) -> Iterator[tuple[Row[Any], Sequence[_Name]]]:
    """Yield each number of a task with the names of its other tasks, newest first."""
    most = 2 * (MANY + 1)  # a task may have the same number twice, and then two rows
    for number in queries.numbers_of(connection, task, until, most + 1):
        if 1 < number.rows <= most:
            names = dict.fromkeys(queries.tasks_of_number(connection, number.digits, until))
            others = [name for name in names if name != task]
            if 0 < len(others) <= MANY:
                yield number, others


def _tasks(connection: Connection, names: Collection[_Name]) -> dict[_Name, Row[Any]]:
    """Return the rows of these tasks by account and key."""
    keys: dict[str, list[str]] = defaultdict(list)
    for account, key in names:
        keys[account].append(key)
    return {
        (row.account, row.key): row
        for account in keys
        for row in connection.execute(queries.tasks_named(connection, account, keys[account]))
    }
