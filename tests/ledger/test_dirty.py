"""The marks of dirty tasks, on both databases."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Connection, select

from receiver.ledger import dirty
from receiver.ledger.dirty import DirtyTask, Waiting
from receiver.ledger.tables import DIRTY_TASK
from receiver.maintenance.schema import create_tables
from receiver.storage.engine import Store
from tests.factories import ACCOUNT
from tests.postgres import prepared_database

NOW = 1_000.0


def task(name: str, account: str = ACCOUNT) -> DirtyTask:
    return DirtyTask(account, name)


@pytest.fixture
def connection(store_target: str) -> Iterator[Connection]:
    """A transaction in an empty store."""
    with closing(Store(store_target)) as store:
        create_tables(store)
        with store.transaction() as connection:
            yield connection


def rows(connection: Connection) -> list[dict[str, Any]]:
    query = select(DIRTY_TASK).order_by(DIRTY_TASK.c.account, DIRTY_TASK.c.name)
    return [dict(row._mapping) for row in connection.execute(query)]


def names(connection: Connection) -> list[str]:
    return [row["name"] for row in rows(connection)]


def test_a_task_has_one_mark_however_often_it_is_marked_and_the_first_time_counts(
    connection: Connection,
) -> None:
    dirty.mark(connection, {task("r1"): 5.0})
    dirty.mark(connection, {task("r1"): 3.0, task("r2"): 7.0})
    fresh = {"account": ACCOUNT, "failures": 0, "retry_at": 0.0, "problem": None}
    assert rows(connection) == [
        {"name": "r1", "since": 5.0, **fresh},
        {"name": "r2", "since": 7.0, **fresh},
    ]


def test_tasks_of_the_same_name_in_several_accounts_are_several(connection: Connection) -> None:
    dirty.mark(connection, {task("r1"): 1.0, task("r1", "other"): 2.0, task("#1"): 3.0, task("#1", "a"): 4.0})
    assert [(row["account"], row["name"]) for row in rows(connection)] == [
        ("a", "#1"),
        (ACCOUNT, "#1"),
        (ACCOUNT, "r1"),
        ("other", "r1"),
    ]
    assert dirty.take(connection, [task("r1", "other"), task("#1")]) == [task("r1", "other"), task("#1")]
    assert [(row["account"], row["name"]) for row in rows(connection)] == [("a", "#1"), (ACCOUNT, "r1")]


def test_to_mark_nothing_does_nothing(connection: Connection) -> None:
    dirty.mark(connection, {})
    assert dirty.take(connection, []) == []
    assert rows(connection) == []


def test_those_that_wait_for_longest_are_due_first(connection: Connection) -> None:
    dirty.mark(connection, {task(f"r{number}"): float(number) for number in (3, 1, 2, 5, 4)})
    assert dirty.due(connection, NOW, 3) == [task("r1"), task("r2"), task("r3")]
    assert len(dirty.due(connection, NOW, 100)) == 5


def test_only_marks_that_are_there_are_taken_and_each_once(connection: Connection) -> None:
    dirty.mark(connection, {task("r1"): 1.0, task("r2"): 2.0, task("r3"): 3.0})
    assert sorted(dirty.take(connection, [task("r1"), task("r2"), task("r9")])) == [task("r1"), task("r2")]
    assert dirty.take(connection, [task("r1"), task("r2"), task("r9")]) == []
    assert names(connection) == ["r3"]


@pytest.mark.parametrize("name", ["#7", "заказ-1", "a\"b'c", "a,b{c}", "%s ? :x", "r" * 200])
def test_a_name_is_any_text(connection: Connection, name: str) -> None:
    dirty.mark(connection, {task(name): 1.0, task("r1"): 1.0})
    assert dirty.among(connection, ACCOUNT, [name, "r2"]) == {name}
    dirty.set_aside(connection, task(name), "a fault", NOW)
    assert dirty.due(connection, NOW, 9) == [task("r1")]
    assert dirty.take(connection, [task(name)]) == [task(name)]
    assert names(connection) == ["r1"]


def test_the_pause_doubles_with_each_failure_up_to_six_hours(connection: Connection) -> None:
    dirty.mark(connection, {task("r1"): 1.0, task("r2"): 1.0})
    pauses = []
    for failures in range(1, 40):
        dirty.set_aside(connection, task("r1"), f"fault {failures}", NOW)
        row, other = rows(connection)
        assert (row["failures"], row["problem"]) == (failures, f"fault {failures}")
        assert (other["failures"], other["retry_at"], other["problem"]) == (0, 0.0, None)
        pauses.append(row["retry_at"] - NOW)
    assert pauses[:4] == [60.0, 120.0, 240.0, 480.0]
    assert pauses[8:] == [60.0 * 2**8, *[6 * 3600.0] * 30]


def test_what_is_set_aside_is_due_when_its_time_has_come_behind_what_is_new(connection: Connection) -> None:
    dirty.mark(connection, {task("r1"): 1.0, task("r2"): 2.0})
    dirty.set_aside(connection, task("r1"), "a fault", NOW)
    assert dirty.due(connection, NOW + 59, 9) == [task("r2")]
    assert dirty.due(connection, NOW + 60, 9) == [task("r2"), task("r1")]


def test_a_task_that_is_not_marked_cannot_be_set_aside(connection: Connection) -> None:
    dirty.set_aside(connection, task("r1"), "a fault", NOW)
    assert rows(connection) == []


def test_to_mark_what_is_set_aside_leaves_it_there(connection: Connection) -> None:
    dirty.mark(connection, {task("r1"): 1.0})
    dirty.set_aside(connection, task("r1"), "a fault", NOW)
    before = rows(connection)
    dirty.mark(connection, {task("r1"): 2.0})
    assert rows(connection) == before


def test_all_that_are_set_aside_can_be_made_due(connection: Connection) -> None:
    dirty.mark(connection, {task(f"r{number}"): 1.0 for number in range(4)})
    for name in ("r1", "r2"):
        dirty.set_aside(connection, task(name), "a fault", NOW)
    assert dirty.retry_all(connection) == 2
    assert dirty.retry_all(connection) == 0
    assert len(dirty.due(connection, NOW, 9)) == 4
    assert [(row["failures"], row["problem"]) for row in rows(connection)] == [
        (0, None),
        (1, "a fault"),
        (1, "a fault"),
        (0, None),
    ]


def test_what_waits_is_counted_without_what_is_set_aside(connection: Connection) -> None:
    assert dirty.waiting(connection) == Waiting(0, None)
    dirty.mark(connection, {task("r1"): 1.0, task("r2"): 2.0, task("r3", "other"): 3.0})
    assert dirty.waiting(connection) == Waiting(3, 1.0)
    dirty.set_aside(connection, task("r1"), "a fault", NOW)
    assert dirty.waiting(connection) == Waiting(2, 2.0)
    dirty.retry_all(connection)
    assert dirty.waiting(connection) == Waiting(2, 2.0)


def test_two_receivers_that_mark_the_same_tasks_do_not_wait_for_each_other_for_ever(postgres: str) -> None:
    """Each has them in another order."""
    target, together = prepared_database(postgres), threading.Barrier(2)
    tasks = {task(f"r{number}"): 1.0 for number in range(5_000)}

    def mark(store: Store, marked: dict[DirtyTask, float]) -> None:
        for _ in range(5):
            together.wait(10)
            with store.transaction() as connection:
                dirty.mark(connection, marked)

    with closing(Store(target)) as one, closing(Store(target)) as other, ThreadPoolExecutor(2) as pool:
        orders = (tasks, dict(reversed(tasks.items())))
        running = [pool.submit(mark, store, order) for store, order in zip((one, other), orders, strict=True)]
        for each in running:
            each.result(30)
        with one.snapshot() as connection:
            assert len(rows(connection)) == 5_000
