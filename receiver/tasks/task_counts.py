"""Numbers of tasks and findings, kept as they are written, so that gauges cost a few rows.

Rows of `task_count` by `what` they count:

- `state`: tasks. `name`: the queue or empty, `value`: the state.
- `due`: tasks that are due. `name`: the purpose (see `Due`).
- `finding`: the sum of the findings' counts. `name`: the category, `value`: the kind.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, func, literal, select

from receiver.domain.task_rows import TaskRows
from receiver.storage.bulk import run, write_values
from receiver.tasks.tables import FINDING, TASK, TASK_COUNT

Key = tuple[str, str, str, str]
"""(account, what, name, value)."""

_COLUMNS = ("account", "what", "name", "value", "number")


class TaskCounts:
    """Changes of the counts, written in one statement."""

    def __init__(self) -> None:
        self._tasks: dict[tuple[str, str | None, str, str | None], int] = defaultdict(int)
        self._findings: dict[Key, int] = defaultdict(int)

    def change_task(self, account: str, before: TaskRows | None, after: TaskRows | None) -> None:
        """Count a task that has changed. None: there was none, or is none now."""
        for rows, number in ((before, -1), (after, 1)):
            if rows:
                task = rows.task
                self._tasks[account, task["queue_id"], task["state"], task["due_for"]] += number

    def add_finding(self, account: str, category: str, kind: str, count: int) -> None:
        """Add the count of a new finding, or a negative one of a deleted finding."""
        self._findings[account, "finding", category, kind] += count

    def write(self, connection: Connection) -> None:
        """Add the changes to the table."""
        numbers = self._findings.copy()
        for (account, queue, state, purpose), number in self._tasks.items():
            numbers[account, "state", queue or "", state] += number
            if purpose:
                numbers[account, "due", purpose, ""] += number
        add(connection, numbers)


def add(connection: Connection, numbers: Mapping[Key, int]) -> None:
    """Add numbers to the table."""
    rows = [(*key, number) for key, number in sorted(numbers.items()) if number]
    write_values(connection, TASK_COUNT, "sum", _COLUMNS, rows)


class Count(NamedTuple):
    """One count of all accounts."""

    what: str
    name: str
    value: str
    number: int


def counts(connection: Connection) -> Sequence[Count]:
    """Return all counts that are not 0."""
    query = "SELECT what, name, value, sum(number) FROM task_count GROUP BY what, name, value"
    rows = run(connection, query)
    return [Count(what, name, value, int(number)) for what, name, value, number in rows if number]


def due_since(connection: Connection) -> dict[str, float]:
    """Return purpose → `due_at` of the longest waiting task, epoch seconds."""
    waiting = "SELECT account, name FROM task_count WHERE what = 'due' AND number > 0"
    oldest: dict[str, float] = {}
    for account, purpose in run(connection, waiting).all():
        found = [
            run(connection, _FIRST_ASKED, account, purpose).scalar(),
            run(connection, _ASKED_AGAIN, purpose).scalar(),
            oldest.get(purpose),
        ]
        if times := [at for at in found if at is not None]:
            oldest[purpose] = min(times)
    return oldest


_FIRST_ASKED = "SELECT min(ask_at) FROM task WHERE account = ? AND due_for = ? AND ask_at IS NOT NULL"
_ASKED_AGAIN = "SELECT min(due_at) FROM task WHERE due_for = ? AND ask_at > due_at"
"""Each reads one index entry. `ask_at` equals `due_at` except for tasks of the second query."""


def differences(connection: Connection) -> dict[Key, tuple[int, int]]:
    """Return key → (stored, right) of the counts that differ from the rows of tasks and findings."""
    rows = run(connection, f"SELECT {', '.join(_COLUMNS)} FROM task_count")  # noqa: S608 - our own names
    stored: dict[Key, int] = {tuple(key): number for *key, number in rows}
    right = _counted(connection)
    keys = sorted(stored.keys() | right.keys())
    both = {key: (stored.get(key, 0), right.get(key, 0)) for key in keys}
    return {key: pair for key, pair in both.items() if pair[0] != pair[1]}


def _counted(connection: Connection) -> dict[Key, int]:
    queue, number = func.coalesce(TASK.c.queue_id, ""), func.count()
    states = select(TASK.c.account, literal("state"), queue, TASK.c.state, number)
    due = select(TASK.c.account, literal("due"), TASK.c.due_for, literal(""), number)
    kinds = FINDING.c.account, FINDING.c.category, FINDING.c.kind
    findings = select(kinds[0], literal("finding"), *kinds[1:], func.sum(FINDING.c["count"]))
    queries = (
        states.group_by(TASK.c.account, queue, TASK.c.state),
        due.where(TASK.c.due_for.isnot(None)).group_by(TASK.c.account, TASK.c.due_for),
        findings.group_by(*kinds),
    )
    return {tuple(key): int(n) for query in queries for *key, n in connection.execute(query)}


def drop_zeros(connection: Connection) -> None:
    """Delete counts of 0."""
    run(connection, "DELETE FROM task_count WHERE number = 0")
