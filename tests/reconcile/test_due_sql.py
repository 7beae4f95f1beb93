"""What is due, in which order, and how that moves on when it was asked about."""

from typing import Any

import pytest
from sqlalchemy import Row, select

from receiver.domain.facts import Fact
from receiver.domain.fold import fold
from receiver.domain.timeline import Purpose
from receiver.errors import StoreUnavailableError
from receiver.reconcile import due_sql
from receiver.reconcile.due_sql import Delay
from receiver.storage import locks
from receiver.storage.engine import Store
from receiver.tasks.tables import TASK
from tests.factories import ACCOUNT, START, called, finished, gone, hook, seen, settled
from tests.ledger.projecting import put_tasks
from tests.postgres import prepared_database

ALL: dict[Purpose, float] = {"find": 1e12, "progress": 1e12, "confirm": 1e12}


def put(store: Store, *tasks: list[Fact]) -> None:
    with store.transaction() as connection:
        put_tasks(connection, [fold(facts) for facts in tasks])


def planned(number: int, at: float, **said: Any) -> list[Fact]:
    return [seen("scheduled", 1.0, about=(f"r{number}", str(number)), start_at=at, **said)]


def read(store: Store, purpose: Purpose, horizon: float, most: int = 100) -> list[Row[Any]]:
    with store.snapshot() as connection:
        return list(connection.execute(due_sql.due_tasks(ACCOUNT, purpose, horizon, most)))


def keys(rows: list[Row[Any]]) -> list[str]:
    return [row.key for row in rows]


def delay(store: Store, *delays: Delay) -> None:
    with store.transaction() as connection:
        due_sql.delay(connection, ACCOUNT, delays)


def asked(store: Store, key: str = "r1") -> tuple[float | None, int]:
    """`ask_at` and `asks` of a task."""
    with store.snapshot() as connection:
        row = connection.execute(select(TASK.c.ask_at, TASK.c.asks).where(TASK.c.key == key)).one()
        return (row.ask_at, row.asks)


def test_tasks_are_due_by_purpose_and_time_soonest_first(store: Store) -> None:
    ended = [finished("failed", 50.0, about=("r5", "5")), settled(60.0, about=("r5", "5"))]
    put(store, planned(1, 300.0), planned(2, 200.0), planned(3, 400.0), ended)
    put(store, [hook("after", 100.0, about=("r4", None))], [hook("before", 90.0, about=("r6", None))])
    assert keys(read(store, "progress", 300.0)) == ["r2", "r1"]
    assert keys(read(store, "progress", 1e12, most=2)) == ["r2", "r1"]
    assert keys(read(store, "confirm", 99.0)) == []
    assert keys(read(store, "confirm", 100.0)) == ["r4"]
    assert keys(read(store, "find", 90.0)) == ["r6"]
    with store.snapshot() as connection:
        assert connection.execute(due_sql.due_tasks("another", "progress", 1e12, 10)).all() == []


def test_what_was_asked_about_comes_later_and_makes_room(store: Store) -> None:
    put(store, *(planned(number, 100.0 + number) for number in range(5)))
    (first, second) = read(store, "progress", 200.0, most=2)
    delay(store, Delay(first, 201.5, 1), Delay(second, 103.5, 0))
    assert keys(read(store, "progress", 200.0, most=3)) == ["r2", "r3", "r1"]
    assert asked(store, "r0") == (201.5, 1)


def test_of_thousands_each_has_its_turn(store: Store) -> None:
    put(store, *(planned(number, 1_000.0) for number in range(5_000)))
    met: list[str] = []
    for _ in range(10):
        rows = read(store, "progress", 1_000.0, most=500)
        assert len(rows) == 500
        delay(store, *(Delay(row, 1_060.0, 1) for row in rows))
        met += keys(rows)
    assert len(set(met)) == 5_000
    assert read(store, "progress", 1_000.0) == []


@pytest.mark.parametrize("at", [1_772_452_860.1234567, 1.1 + 2.2, 1e9 / 3])
def test_times_are_compared_as_they_are(store: Store, at: float) -> None:
    put(store, planned(1, at))
    (row,) = read(store, "progress", at)
    assert row.ask_at == at
    delay(store, Delay(row, at + 1 / 3, 1))
    assert asked(store) == (at + 1 / 3, 1)


def test_only_what_is_still_as_it_was_read_is_delayed(store: Store) -> None:
    put(store, planned(1, 100.0), planned(2, 100.0), planned(3, 100.0))
    rows = read(store, "progress", 100.0)
    moved = next(row for row in rows if row.key == "r2")
    put(store, planned(1, 110.0), [*planned(3, 100.0), hook("after", 100.0, about=("r3", None))])
    delay(store, Delay(moved, 500.0, 1))
    delay(store, *(Delay(row, 900.0, 1) for row in rows))
    assert [asked(store, key) for key in ("r1", "r2", "r3")] == [(110.0, 0), (500.0, 1), (100.0, 0)]


FIRST = [hook("before", 1_000.0), seen("executed", 1_010.0)]


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ([hook("after", 900.0, about=("r9", None))], True),
        ([seen("scheduled", 1.0)], True),
        ([hook("before_again", 1_020.0)], False),
        ([hook("after", 1_005.0)], False),
        ([finished("failed", 1_020.0)], False),
        ([gone(1_020.0)], False),
    ],
    ids=["another task", "old news", "it goes on", "it ended", "it is confirmed", "it is gone"],
)
def test_a_task_folded_anew_is_asked_anew_only_if_it_waits_for_something_else(
    store: Store, more: list[Fact], kept: bool
) -> None:
    put(store, FIRST)
    (row,) = read(store, "progress", START + 100)
    delay(store, Delay(row, 2_000.0, 3))
    mine = [fact for fact in more if fact.ref == "r1"]
    put(store, [*FIRST, *mine], planned(2, 1.0))
    timeline = fold([*FIRST, *mine])
    assert timeline.due is not None
    assert asked(store) == ((2_000.0, 3) if kept else (timeline.due.at, 0))
    assert asked(store, "r2") == (1.0, 0)


def test_a_purpose_alone_makes_a_task_wait_for_something_else(store: Store) -> None:
    ended = finished("failed", 1_300.0, cdr="u1")
    put(store, [ended])
    (row,) = read(store, "call", 1_300.0)
    delay(store, Delay(row, 2_000.0, 3))
    put(store, [ended, called("u1", 1_300.0)])
    assert [row.key for row in read(store, "settle", 1_300.0)] == ["r1"]
    assert asked(store) == (1_300.0, 0)


def test_a_settled_task_is_not_asked_about_at_any_time(store: Store) -> None:
    put(store, [finished("failed", 50.0)])
    (row,) = read(store, "settle", 50.0)
    delay(store, Delay(row, 60.0, 1))
    put(store, [finished("failed", 50.0), settled(60.0)])
    assert asked(store) == (None, 0)
    put(store, [finished("failed", 50.0)])
    assert asked(store) == (50.0, 0)


def test_who_goes_from_key_to_key_meets_each_task_once_wherever_it_moves(store: Store) -> None:
    put(store, *(planned(number, float(number)) for number in range(10, 35)))
    met: list[str] = []
    key = ""
    while True:
        with store.snapshot() as connection:
            rows = connection.execute(due_sql.tasks_behind(ACCOUNT, key, ALL, 10)).all()
        if not rows:
            break
        met += [row.key for row in rows]
        delay(store, *(Delay(row, 1_000.0 - row.ask_at, 1) for row in rows))
        key = rows[-1].key
    assert met == [f"r{number}" for number in range(10, 35)]
    with store.snapshot() as connection:
        until: dict[Purpose, float] = {"progress": 970.0, "confirm": 1e12}
        assert len(connection.execute(due_sql.tasks_behind(ACCOUNT, "", until, 100)).all()) == 5


def test_queues_can_be_left_out_but_not_the_tasks_of_none(store: Store) -> None:
    put(store, planned(1, 1.0, queue_id="5"), planned(2, 2.0, queue_id="6"), planned(3, 3.0, queue_id=None))
    with store.snapshot() as connection:

        def found(where: Any) -> list[str]:
            return keys(list(connection.execute(due_sql.due_tasks(ACCOUNT, "progress", 9.0, 9).where(where))))

        assert found(due_sql.not_in(["5"])) == ["r2", "r3"]
        assert found(due_sql.not_in([])) == ["r1", "r2", "r3"]
        assert found(due_sql.in_queue("5")) == ["r1"]
        counted = connection.execute(due_sql.by_queue(due_sql.due_tasks(ACCOUNT, "progress", 9.0, 2))).all()
        assert dict(map(tuple, counted)) == {"5": 1, "6": 1}


def test_of_tasks_that_a_list_shows_those_are_found_that_go_on(store: Store) -> None:
    put(store, planned(1, 1.0), planned(2, 2.0), [finished("failed", 9.0, about=("r3", "3"))])
    put(store, [hook("after", 9.0, about=("r4", "4"))], [hook("before", 9.0, about=("r5", None))])
    with store.snapshot() as connection:
        rows = due_sql.running_tasks(connection, ACCOUNT, ["1", "3", "4", "5", "99"])
    assert sorted(row.key for row in rows) == ["r1", "r4"]


def test_who_delays_waits_for_who_folds(postgres: str) -> None:
    """Both write many rows, each in its own order: without the lock each could wait for the other."""
    target = prepared_database(postgres)
    folding, delaying = Store(target), Store(target, timeout_s=0.2)
    put(folding, planned(1, 1.0))
    (row,) = read(folding, "progress", 1.0)
    with folding.transaction() as connection:
        locks.lock_folding(connection)
        with pytest.raises(StoreUnavailableError):
            delay(delaying, Delay(row, 2.0, 1))
    delay(delaying, Delay(row, 2.0, 1))
    assert asked(folding) == (2.0, 1)
    for store in (folding, delaying):
        store.close()
