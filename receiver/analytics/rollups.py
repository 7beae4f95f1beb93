"""Sums of rollups: how tasks change them, and the statements that write them."""

from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, func, select

from receiver.analytics.rollup_parts import COUNTS, Counts, parts
from receiver.analytics.tables import CALENDAR, ROLLUP, ROLLUP_DAY
from receiver.domain.calendar import HOUR_S, Calendar
from receiver.domain.task_rows import TaskRows
from receiver.storage.bulk import run, write, write_values
from receiver.tasks.tables import TASK

COUNTED = (
    *("queue_id", "state", "finish_result", "settled", "attempts", "attempts_exact", "try_count"),
    *("extension_id", "created_at", "planned_at", "last_at", "finished_at"),
    *("reason", "raw_reason", "failed_leg", "connect_s", "lateness_s"),
    *("hooks_expected", "hooks_arrived", "hooks_duplicate", "hooks_late", "hooks_lost", "drifts"),
)
"""Columns of `task` from which the sums follow."""


class RollupCalendar(NamedTuple):
    """The calendar of the sums. `complete`: all tasks are counted by it. `turn`: see `set_calendar`.
    `planned`: all tasks are counted by their planned start, too.
    """

    calendar: Calendar
    phase: int
    complete: bool
    turn: int = 0
    planned: bool = True


Sums = dict[tuple[Any, ...], list[int]]
"""Values of the key columns → one number for each of COUNTS."""

_PLACE = {name: place for place, name in enumerate(COUNTS)}


class Deltas:
    """Changes of the sums of hours and days."""

    def __init__(self, standard: RollupCalendar, *, retired: bool = False, step: int = HOUR_S) -> None:
        self._calendar, self._phase, self._step = standard.calendar, standard.phase, step
        self._retired = retired
        self.hours: Sums = {}
        self.days: Sums = {}

    def change(self, account: str, before: TaskRows | None, after: TaskRows | None) -> None:
        """Subtract what a task added before, and add what it adds now."""
        if before and after and _is_alike(before, after):
            return
        if before:
            self._add(account, before, -1)
        if after:
            self._add(account, after, 1)

    def _add(self, account: str, record: TaskRows, sign: int) -> None:
        queue_id, retired = record.task["queue_id"] or "", self._retired
        for basis, at, counts_by_place in parts(record.task, record.attempts):
            hour = int((at - self._phase) // self._step) * self._step + self._phase
            for (name, value), counts in counts_by_place.items():
                _bump(self.hours, (basis, name, hour, account, queue_id, value, retired), counts, sign)
            day = basis, self._calendar.day(at), account, queue_id, retired
            _bump(self.days, day, counts_by_place["all", ""], sign)

    def write(self, connection: Connection) -> None:
        """Add the changes to the tables."""
        for table, sums in ((ROLLUP, self.hours), (ROLLUP_DAY, self.days)):
            add_sums(connection, table, sums)


def _is_alike(before: TaskRows, after: TaskRows) -> bool:
    """Return whether the sums stay the same."""
    if any(before.task[name] != after.task[name] for name in COUNTED):
        return False
    return list(before.attempts) == list(after.attempts)


def _bump(sums: Sums, key: tuple[Any, ...], counts: Counts, sign: int) -> None:
    numbers = sums.get(key)
    if numbers is None:
        numbers = sums[key] = [0] * len(COUNTS)
    for name, number in counts.items():
        numbers[_PLACE[name]] += sign * number


def add_sums(connection: Connection, table: Table, sums: Sums) -> None:
    """Add sums to the table, without sums that are all 0."""
    # In one order, so that two transactions that write the same rows cannot deadlock.
    rows = [(*key, *numbers) for key, numbers in sorted(sums.items()) if any(numbers)]
    write_values(connection, table, "sum", (*key_names(table), *COUNTS), rows)


@lru_cache
def key_names(table: Table) -> tuple[str, ...]:
    """Return the names of the key columns."""
    return tuple(column.name for column in table.primary_key)


def rollup_calendar(connection: Connection) -> RollupCalendar:
    """Return the calendar of the sums."""
    row = run(connection, "SELECT zone, phase, complete, turn, planned FROM calendar WHERE id = 1").first()
    zone, phase, complete, turn, planned = row or ("UTC", 0, True, 0, True)
    return RollupCalendar(calendar_of(zone), phase, bool(complete), turn, bool(planned))


calendar_of = lru_cache(Calendar)


def set_calendar(connection: Connection, counted: RollupCalendar) -> int:
    """Count by this calendar from now on. Return the number of the new turn, which ends earlier ones."""
    turn = rollup_calendar(connection).turn + 1
    row = {
        "id": 1,
        "zone": counted.calendar.name,
        "phase": counted.phase,
        "complete": counted.complete,
        "turn": turn,
        "planned": counted.planned,
    }
    write(connection, CALENDAR, "put", [row])
    return turn


def count_uncounted(connection: Connection, account: str | None = None) -> int:
    """Return the number of tasks in no sum, since an older version folded them."""
    query = select(func.count()).where(TASK.c.created_at.is_(None))
    return connection.scalar(query.where(TASK.c.account == account) if account else query) or 0


def is_nothing_counted(connection: Connection) -> bool:
    """Return whether no task is counted yet."""
    return connection.execute(select(ROLLUP.c.hour).limit(1)).first() is None
