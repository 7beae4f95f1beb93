"""Other tasks of the same customer: those with the same phone number."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from receiver.tasks import queries

MANY = 100
"""Tasks beyond which a number is no customer's, but one of the company's own."""

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
    numbers = connection.execute(queries.numbers_of(account, key)).all()
    return list(_same(connection, numbers, (account, key), until))


def _same(
    connection: Connection, numbers: Sequence[Row[Any]], task: tuple[str, str], until: float
) -> Iterator[SameNumber]:
    for number in numbers:
        query = queries.tasks_of_number(number.digits, until).limit(2 * MANY)
        names = dict.fromkeys((row.account, row.key) for row in connection.execute(query))
        others = [name for name in names if name != task]
        # A task may have the same number twice, and then two rows.
        if 0 < len(others) <= MANY:
            tasks = _tasks(connection, others[:SHOWN])
            yield SameNumber(number.leg, number.e164, len(others), tasks)


def _tasks(connection: Connection, names: Sequence[tuple[str, str]]) -> list[Row[Any]]:
    """Return the rows of these tasks (account, key), in this order."""
    keys: dict[str, list[str]] = defaultdict(list)
    for account, key in names:
        keys[account].append(key)
    rows = {
        (row.account, row.key): row
        for account in keys
        for row in connection.execute(queries.tasks_named(connection, account, keys[account]))
    }
    return [rows[name] for name in names if name in rows]
