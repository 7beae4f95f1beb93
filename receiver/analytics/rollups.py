"""The statements that keep the sums. All run inside the transaction that writes the tasks."""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, func, select

from receiver.analytics.calendar import HOUR_S, Calendar
from receiver.analytics.rollup_parts import COUNTS, Counts, parts
from receiver.analytics.tables import CALENDAR, ROLLUP, ROLLUP_DAY
from receiver.storage.bulk import run, write, write_values
from receiver.tasks.tables import ATTEMPT, TASK

Row = Mapping[str, Any]

TASK_COLUMNS = (
    *("key", "queue_id", "state", "finish_result", "settled", "attempts", "attempts_exact"),
    *("try_count", "extension_id"),
    *(
        "created_at",
        "last_at",
        "finished_at",
        "reason",
        "raw_reason",
        "failed_leg",
        "connect_s",
        "lateness_s",
    ),
    *("hooks_expected", "hooks_arrived", "hooks_duplicate", "hooks_late", "hooks_lost", "drifts"),
)
"""What the sums follow from."""

READ_COLUMNS = (*TASK_COLUMNS, "due_for")
"""These, and what `TaskCounts` needs."""

ATTEMPT_COLUMNS = tuple(column.name for column in ATTEMPT.c)


class Counted(NamedTuple):
    """A task's row and those of its attempts, in order: what sums and counts follow from."""

    task: Row
    attempts: Sequence[Row]


class Standard(NamedTuple):
    """By which calendar the sums are kept. `complete`: they are, of all tasks. `turn`: see `set_calendar`."""

    calendar: Calendar
    phase: int
    complete: bool
    turn: int = 0


Sums = dict[tuple[Any, ...], list[int]]
"""The key columns' values → one number for each of COUNTS."""

_PLACE = {name: place for place, name in enumerate(COUNTS)}


class Deltas:
    """What is to be added to the sums, hours and days."""

    def __init__(self, standard: Standard, *, retired: bool = False, step: int = HOUR_S) -> None:
        self._calendar, self._phase, self._step = standard.calendar, standard.phase, step
        self._retired = retired
        self.hours: Sums = {}
        self.days: Sums = {}

    def add(self, account: str, counted: Counted, sign: int = 1) -> None:
        """Add, or with -1 take away, all that one task adds."""
        queue_id, retired = counted.task["queue_id"] or "", self._retired
        for basis, at, filed in parts(counted.task, counted.attempts):
            hour = int((at - self._phase) // self._step) * self._step + self._phase
            for (name, value), counts in filed.items():
                _bump(self.hours, (basis, name, hour, account, queue_id, value, retired), counts, sign)
            day = basis, self._calendar.day(at), account, queue_id, retired
            _bump(self.days, day, filed["all", ""], sign)

    def change(self, account: str, was: Counted | None, now: Counted) -> None:
        """One task is no longer as it `was`."""
        if was is None:
            self.add(account, now)
        elif not _is_alike(was, now):
            self.add(account, was, -1)
            self.add(account, now)

    def write(self, connection: Connection) -> None:
        """Add all of it to what is in the tables."""
        for table, sums in ((ROLLUP, self.hours), (ROLLUP_DAY, self.days)):
            add_sums(connection, table, sums)


def _is_alike(was: Counted, now: Counted) -> bool:
    """Whether the sums stay the same."""
    return all(was.task[name] == now.task[name] for name in TASK_COLUMNS) and list(was.attempts) == list(
        now.attempts
    )


def _bump(sums: Sums, key: tuple[Any, ...], counts: Counts, sign: int) -> None:
    there = sums.get(key)
    if there is None:
        there = sums[key] = [0] * len(COUNTS)
    for name, number in counts.items():
        there[_PLACE[name]] += sign * number


def add_sums(connection: Connection, table: Table, sums: Sums) -> None:
    """Add to what is in the table; sums of nothing but zeros change nothing."""
    # In one order, so that two who write the same rows cannot wait for each other.
    rows = [(*key, *numbers) for key, numbers in sorted(sums.items()) if any(numbers)]
    write_values(connection, table, "sum", (*key_names(table), *COUNTS), rows)


@lru_cache
def key_names(table: Table) -> tuple[str, ...]:
    """The columns that tell the sums apart."""
    return tuple(column.name for column in table.primary_key)


def standard(connection: Connection) -> Standard:
    """By which calendar the sums are kept."""
    row = run(connection, "SELECT zone, phase, complete, turn FROM calendar WHERE id = 1").first()
    zone, phase, complete, turn = row or ("UTC", 0, True, 0)
    return Standard(calendar_of(zone), phase, bool(complete), turn)


calendar_of = lru_cache(Calendar)


def set_calendar(connection: Connection, zone: str, phase: int, *, complete: bool) -> int:
    """From now on count by this zone. The number of the turn that begins: earlier ones are over."""
    turn = standard(connection).turn + 1
    row = {"id": 1, "zone": zone, "phase": phase, "complete": complete, "turn": turn}
    write(connection, CALENDAR, "put", [row])
    return turn


def count_uncounted(connection: Connection, account: str | None = None) -> int:
    """How many tasks are in no sum, since an older version kept them."""
    query = select(func.count()).where(TASK.c.created_at.is_(None))
    return connection.scalar(query.where(TASK.c.account == account) if account else query) or 0


def is_nothing_counted(connection: Connection) -> bool:
    """Whether no task was counted yet."""
    return connection.execute(select(ROLLUP.c.hour).limit(1)).first() is None


def counted_of(connection: Connection, account: str, keys: Collection[str]) -> dict[str, Counted]:
    """Key → what the sums follow from, as it is in the tables, for those tasks that there are."""
    found: dict[str, Counted] = {}
    for key, rows in groupby(run(connection, _COUNTED, account, list(keys)).all(), key=itemgetter(0)):
        first, *more = rows
        task = dict(zip(READ_COLUMNS, first, strict=False))
        made = [row[_WIDTH:] for row in (first, *more) if row[_WIDTH] is not None]
        found[key] = Counted(
            task, [dict(zip(ATTEMPT_COLUMNS, (account, key, *values), strict=True)) for values in made]
        )
    return found


_WIDTH = len(READ_COLUMNS)
_OF_TASK = ", ".join(f"task.{name}" for name in READ_COLUMNS)
_OF_ATTEMPT = ", ".join(f"attempt.{name}" for name in ATTEMPT_COLUMNS[2:])
# An attempt that the task does not know of counts nowhere.
_COUNTED = (
    f"SELECT {_OF_TASK}, {_OF_ATTEMPT} FROM task LEFT JOIN attempt ON attempt.account = task.account "  # noqa: S608 - our own words
    "AND attempt.key = task.key AND attempt.number <= task.attempts "
    "WHERE task.account = ? AND task.key IN ? ORDER BY task.key, attempt.number"
)


def put_attempts(
    connection: Connection, account: str, before: Mapping[str, Counted], after: Mapping[str, Counted]
) -> None:
    """Write attempts over those that are there, `before`; both by their tasks' keys."""
    changed, fewer = list[Row](), []
    for key, (_, now) in after.items():
        was = before[key].attempts if key in before else ()
        if len(was) > len(now):
            fewer.append(key)
        if list(was) != list(now):
            changed += now
    drop_attempts(connection, account, fewer)
    write(connection, ATTEMPT, "put", changed)


def drop_attempts(connection: Connection, account: str, keys: Collection[str]) -> None:
    """Take away all attempts of these tasks."""
    if keys:
        run(connection, "DELETE FROM attempt WHERE account = ? AND key IN ?", account, list(keys))
