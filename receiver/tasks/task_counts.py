"""How many tasks and findings there are now, kept as they are written: who shows gauges reads a few rows.

Rows of `task_count` by `what` they count:

- `state`: tasks. `name`: the queue or nothing, `value`: the state.
- `due`: tasks that wait for something. `name`: for what (see `Due`).
- `finding`: what findings count. `name`: the category, `value`: the kind.
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
    """What is to be added to the counts; all of it in one statement."""

    def __init__(self) -> None:
        self._tasks: dict[tuple[str, str | None, str, str | None], int] = defaultdict(int)
        self._findings: dict[Key, int] = defaultdict(int)

    def change_task(self, account: str, before: TaskRows | None, after: TaskRows | None) -> None:
        """Count a task that has changed. None: there was none, or is none now."""
        for record, number in ((before, -1), (after, 1)):
            if record:
                task = record.task
                self._tasks[account, task["queue_id"], task["state"], task["due_for"]] += number

    def add_finding(self, account: str, category: str, kind: str, count: int) -> None:
        """A finding with this count is new, or with a negative one is no more."""
        self._findings[account, "finding", category, kind] += count

    def write(self, connection: Connection) -> None:
        """Add all of it to what is in the table."""
        numbers = self._findings.copy()
        for (account, queue, state, purpose), number in self._tasks.items():
            numbers[account, "state", queue or "", state] += number
            if purpose:
                numbers[account, "due", purpose, ""] += number
        add(connection, numbers)


def add(connection: Connection, numbers: Mapping[Key, int]) -> None:
    """Add these numbers to those in the table."""
    rows = [(*key, number) for key, number in sorted(numbers.items()) if number]
    write_values(connection, TASK_COUNT, "sum", _COLUMNS, rows)


class Count(NamedTuple):
    """One count of all accounts."""

    what: str
    name: str
    value: str
    number: int


def counts(connection: Connection) -> Sequence[Count]:
    """All counts that are not 0."""
    query = "SELECT what, name, value, sum(number) FROM task_count GROUP BY what, name, value"
    rows = run(connection, query)
    return [Count(what, name, value, int(number)) for what, name, value, number in rows if number]


def due_since(connection: Connection) -> dict[str, float]:
    """Purpose → `due_at` of the task that has waited for it longest, epoch seconds."""
    waiting = "SELECT account, name FROM task_count WHERE what = 'due' AND number > 0"
    oldest: dict[str, float] = {}
    for account, purpose in run(connection, waiting).all():
        found = [
            run(connection, _FIRST_ASKED, account, purpose).scalar(),
            run(connection, _ASKED_IN_VAIN, purpose).scalar(),
            oldest.get(purpose),
        ]
        if times := [at for at in found if at is not None]:
            oldest[purpose] = min(times)
    return oldest


_FIRST_ASKED = "SELECT min(ask_at) FROM task WHERE account = ? AND due_for = ? AND ask_at IS NOT NULL"
_ASKED_IN_VAIN = "SELECT min(due_at) FROM task WHERE due_for = ? AND ask_at > due_at"
"""Each is one look at an index. `ask_at` is `due_at` for all tasks that the second does not find."""


def differences(connection: Connection) -> dict[Key, tuple[int, int]]:
    """What differs from the rows of tasks and findings: (kept, right). Goes through both tables."""
    rows = run(connection, f"SELECT {', '.join(_COLUMNS)} FROM task_count")  # noqa: S608 - our own names
    kept: dict[Key, int] = {tuple(key): number for *key, number in rows}
    right = _counted(connection)
    keys = sorted(kept.keys() | right.keys())
    both = {key: (kept.get(key, 0), right.get(key, 0)) for key in keys}
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
    """Take away counts of 0, which say nothing."""
    run(connection, "DELETE FROM task_count WHERE number = 0")
