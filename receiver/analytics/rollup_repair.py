"""The sums and counts that are kept, compared with what tasks and attempts come to, and put right.

Whoever writes tasks adds to the sums and never sets them. So what is wrong with them in one snapshot is wrong
with them still, however much was added since, and can be added in a short transaction beside a service.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from receiver.analytics.calendar import DAY_S, Calendar
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
from receiver.errors import StoreError
from receiver.storage import locks
from receiver.storage.engine import Store
from receiver.tasks import task_counts

_YEARS = 2
"""So far to both sides of now a zone's hours are looked at."""

_FEW = 500
"""Rows that are dropped in one transaction."""


def adopt_zone(store: Store, zone: str, now: float) -> bool:
    """Count days in this zone, where nothing has been counted yet or they are already. False where they are
    counted in another one, or a change to this one was broken off: `change_zone` and `recount` mend that.
    """
    with store.snapshot() as connection:
        kept = rollup_calendar(connection)
        if kept.calendar.name == zone:
            return kept.complete
    with store.transaction() as connection:
        locks.lock_folding(connection)
        if not is_nothing_counted(connection):
            return rollup_calendar(connection).calendar.name == zone
        set_calendar(connection, zone, phase_of(zone, now), complete=True)
    return True


def phase_of(zone: str, now: float) -> int:
    """Seconds after UTC's hours at which those of the zone begin; 0 for one that changes that."""
    span = _YEARS * 366 * DAY_S
    return Calendar(zone).phase(now - span, now + span) or 0


def change_zone(store: Store, zone: str, now: float) -> None:
    """From now on count days in this zone. Until `recount` has ended the sums are not complete."""
    with store.transaction() as connection:
        locks.lock_folding(connection)
        if rollup_calendar(connection).calendar.name != zone:
            set_calendar(connection, zone, phase_of(zone, now), complete=False)


def recount(store: Store) -> None:
    """Put right the sums, beside a service if there is one. Raises StoreError where another recount, or a
    change of the zone, has begun meanwhile: what both found wrong must not be added twice.
    """
    with store.transaction() as connection:
        locks.lock_folding(connection)
        kept = rollup_calendar(connection)
        turn = set_calendar(connection, kept.calendar.name, kept.phase, complete=kept.complete)
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
        kept = rollup_calendar(connection)
        if not kept.complete:
            set_calendar(connection, kept.calendar.name, kept.phase, complete=True)


def _find(connection: Connection, turn: int, into: Connection) -> None:
    """What is wrong with the sums now."""
    kept = rollup_calendar(connection)
    _require(kept, turn)
    count_again(connection, Deltas(kept), into)
    subtract_current(connection, into)
    if not kept.complete:
        count_retired_days(connection, kept.calendar, into)


def _tidy(store: Store) -> None:
    for table in TABLES:
        with store.snapshot() as connection:
            keys = zeros(connection, table)
        for start in range(0, len(keys), _FEW):
            with store.transaction() as connection:
                drop_zeros(connection, table, keys[start : start + _FEW])


@contextmanager
def _my_turn(store: Store, turn: int) -> Iterator[Connection]:
    """A transaction in which nobody else's turn begins."""
    with store.transaction() as connection:
        locks.lock_folding(connection)
        _require(rollup_calendar(connection), turn)
        yield connection


def _require(kept: RollupCalendar, turn: int) -> None:
    if kept.turn != turn:
        raise StoreError(
            "another recount, or a change of the zone, has begun since: it ends what this one began"
        )
