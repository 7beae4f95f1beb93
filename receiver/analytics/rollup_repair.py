"""Repair of rollups and counts: compare them with the rows of tasks and attempts, and add the difference.

A fold adds to the sums and never sets them. So an error found in one snapshot is still there, however much
was added since, and can be subtracted in a short transaction beside a service.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from receiver.analytics.rollup_check import (
    TABLES,
    count_again,
    count_retired_days,
    discrepancies,
    drop_zeros,
    scratch,
    subtract_current,
    zeros,
)
from receiver.analytics.rollups import (
    Deltas,
    RollupCalendar,
    add_sums,
    is_nothing_counted,
    rollup_calendar,
    set_calendar,
)
from receiver.domain.calendar import DAY_S, Calendar
from receiver.errors import StoreError
from receiver.storage import locks
from receiver.storage.engine import Store
from receiver.tasks import task_counts

_YEARS = 2
"""Years before and after now in which the offset of a zone is checked."""

_FEW = 500
"""Rows deleted in one transaction."""


def adopt_zone(store: Store, zone: str, now: float) -> bool:
    """Count days in this zone if nothing is counted yet. Return False if they are counted in another zone, or
    a change to this zone was interrupted: `change_zone` and `recount` repair that.
    """
    with store.snapshot() as connection:
        calendar = rollup_calendar(connection)
        if calendar.calendar.name == zone:
            return calendar.complete
    with store.transaction() as connection:
        locks.lock_folding(connection)
        if not is_nothing_counted(connection):
            return rollup_calendar(connection).calendar.name == zone
        set_calendar(connection, RollupCalendar(Calendar(zone), phase_of(zone, now), complete=True))
    return True


def phase_of(zone: str, now: float) -> int:
    """Return the seconds between the hours of UTC and of the zone; 0 if they change."""
    span = _YEARS * 366 * DAY_S
    return Calendar(zone).phase(now - span, now + span) or 0


def change_zone(store: Store, zone: str, now: float) -> None:
    """Count days in this zone from now on. The sums are complete after the next `recount`."""
    with store.transaction() as connection:
        locks.lock_folding(connection)
        counted = rollup_calendar(connection)
        if counted.calendar.name != zone:
            other = RollupCalendar(Calendar(zone), phase_of(zone, now), complete=False)
            set_calendar(connection, other._replace(planned=counted.planned))


def recount(store: Store) -> None:
    """Repair the sums, also beside a service. Raise StoreError if another recount or a change of the zone has
    begun: a difference must not be added twice.
    """
    with store.transaction() as connection:
        locks.lock_folding(connection)
        turn = set_calendar(connection, rollup_calendar(connection))
    with scratch() as into:
        with store.snapshot() as connection:
            _find(connection, turn, into)
            wrong = task_counts.differences(connection)
        with _my_turn(store, turn) as connection:
            task_counts.add(connection, {key: right - live for key, (live, right) in wrong.items()})
            task_counts.drop_zeros(connection)
        for table in TABLES:
            for sums in discrepancies(into, table):
                with _my_turn(store, turn) as connection:
                    add_sums(connection, table, sums)
    _tidy(store)
    with _my_turn(store, turn) as connection:
        calendar = rollup_calendar(connection)
        if not (calendar.complete and calendar.planned):
            set_calendar(connection, calendar._replace(complete=True, planned=True))


def _find(connection: Connection, turn: int, into: Connection) -> None:
    """Write the differences of the sums into the scratch tables."""
    calendar = rollup_calendar(connection)
    _require(calendar, turn)
    count_again(connection, Deltas(calendar), into)
    subtract_current(connection, into)
    if not calendar.complete:
        count_retired_days(connection, calendar.calendar, into)


def _tidy(store: Store) -> None:
    for table in TABLES:
        with store.snapshot() as connection:
            keys = zeros(connection, table)
        for start in range(0, len(keys), _FEW):
            with store.transaction() as connection:
                drop_zeros(connection, table, keys[start : start + _FEW])


@contextmanager
def _my_turn(store: Store, turn: int) -> Iterator[Connection]:
    """Return a transaction in which no other turn can begin."""
    with store.transaction() as connection:
        locks.lock_folding(connection)
        _require(rollup_calendar(connection), turn)
        yield connection


def _require(calendar: RollupCalendar, turn: int) -> None:
    if calendar.turn != turn:
        raise StoreError(
            "another recount or a change of the zone has begun since then, and finishes this one's work"
        )
