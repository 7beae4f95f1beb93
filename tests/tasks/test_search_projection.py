"""Phone numbers of tasks as rows: by a fold, a rebuild, retention, and the fill after an upgrade."""

from collections.abc import Sequence

import pytest
from sqlalchemy import delete, insert, select, update

from receiver.domain.facts import Fact
from receiver.domain.fold import fold
from receiver.maintenance.expiry import ExpiredTasks, delete_tasks
from receiver.runtime.clock import WallClock
from receiver.storage.engine import Store
from receiver.tasks import search_fill
from receiver.tasks.search_fill import SearchFill
from receiver.tasks.search_projection import Position, position
from receiver.tasks.tables import TASK_NUMBER, TASK_NUMBER_FILL
from tests.factories import ACCOUNT, finished, hook, seen, settled
from tests.ledger.projecting import PROJECTOR, drop_tasks, rebuild, verify

pytestmark = pytest.mark.anyio

CUSTOMER, OFFICE = "+79161234567", "8 (495) 765-43-21"


def record(store: Store, *facts: Fact) -> None:
    with store.transaction() as connection:
        PROJECTOR.record(connection, facts)


def numbers(store: Store) -> Sequence[tuple[str, str, str | None, str, float]]:
    """Rows of the table: key, leg, number in E.164, digits in reverse, time."""
    names = ("key", "leg", "e164", "digits", "at")
    with store.snapshot() as connection:
        rows = connection.execute(
            select(*(TASK_NUMBER.c[name] for name in names)).order_by(*TASK_NUMBER.primary_key)
        )
        return [tuple(row) for row in rows]


@pytest.fixture
def filled(store: Store) -> Store:
    """Tasks with two numbers, one number, a number that only hooks know, and an extension."""
    record(store, seen("new", 800.0, a_number=CUSTOMER, b_number=OFFICE))
    record(store, seen("new", 810.0, about=("r2", "2"), b_number=CUSTOMER))
    record(store, hook("before", 820.0, about=("r3", None), a_number="8 916 123 45 67"))
    record(store, seen("new", 830.0, about=("r4", "4"), a_number="3050", b_number="305"))
    return store


ALL = [
    ("r1", "a", "+79161234567", "76543216197", 800.0),
    ("r1", "b", "+74957654321", "12345675947", 800.0),
    ("r2", "b", "+79161234567", "76543216197", 810.0),
    ("r3", "a", "+79161234567", "76543216197", 820.0),
    ("r4", "a", None, "0503", 830.0),
]


def test_both_numbers_of_a_task_are_stored_in_one_form(filled: Store) -> None:
    assert numbers(filled) == ALL
    assert verify(filled, fold).differences == []


def test_a_number_that_changes_or_goes_takes_its_row_along(filled: Store) -> None:
    record(filled, seen("new", 900.0, a_number="+79990000000", b_number=None))
    record(filled, seen("scheduled", 910.0, about=("r2", "2"), a_number="3050", b_number=CUSTOMER))
    assert numbers(filled)[:3] == [
        ("r1", "a", "+79990000000", "00000009997", 800.0),
        ("r2", "a", None, "0503", 810.0),
        ("r2", "b", "+79161234567", "76543216197", 810.0),
    ]
    assert verify(filled, fold).differences == []


def test_a_task_whose_ref_becomes_known_has_rows_under_the_ref_only(store: Store) -> None:
    record(store, seen("new", 800.0, about=(None, "7"), a_number=CUSTOMER))
    assert [row[0] for row in numbers(store)] == ["#7"]
    record(store, hook("before", 810.0, about=("r7", "7")))
    assert [row[0] for row in numbers(store)] == ["r7"]
    assert verify(store, fold).differences == []


def test_verify_finds_wrong_rows_and_rebuild_corrects_them(filled: Store) -> None:
    with filled.transaction() as connection:
        connection.execute(delete(TASK_NUMBER).where(TASK_NUMBER.c.key == "r2"))
        connection.execute(update(TASK_NUMBER).where(TASK_NUMBER.c.key == "r4").values(digits="9"))
    found = {(each.key, each.problem) for each in verify(filled, fold).differences}
    assert found == {(f"{ACCOUNT}/r2/b", "missing"), (f"{ACCOUNT}/r4/a", "differs")}
    rebuild(filled)
    assert numbers(filled) == ALL


def test_retention_deletes_the_numbers_of_expired_tasks(filled: Store) -> None:
    record(filled, finished("success", 900.0, a_number=CUSTOMER), settled(950.0))
    with filled.transaction() as connection:
        delete_tasks(connection, PROJECTOR, ExpiredTasks(ACCOUNT, ["r1"], 1_000.0), 100)
    assert {row[0] for row in numbers(filled)} == {"r2", "r3", "r4"}


def as_upgraded(store: Store) -> None:
    """Take the store back to the moment of the upgrade."""
    with store.transaction() as connection:
        connection.execute(delete(TASK_NUMBER))
        connection.execute(insert(TASK_NUMBER_FILL).values(at=1e15, account="", key=""))


async def test_after_an_upgrade_the_numbers_of_older_tasks_are_added_newest_first(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_upgraded(filled)
    assert verify(filled, fold).differences == []
    monkeypatch.setattr("receiver.tasks.search_fill._TASKS", 2)
    fill = SearchFill(filled, fold, WallClock())
    assert await fill.step()
    assert numbers(filled) == ALL[3:]
    with filled.snapshot() as connection:
        assert position(connection) == Position(820.0, ACCOUNT, "r3")
    assert await fill.step()
    assert await fill.step()
    assert not await fill.step()
    assert numbers(filled) == ALL
    assert verify(filled, fold).differences == []


async def test_a_fill_leaves_rows_of_a_later_fold_and_tasks_that_have_changed_or_gone(filled: Store) -> None:
    as_upgraded(filled)
    with filled.snapshot() as connection:
        step = search_fill.next_step(connection, fold)
    assert step
    record(filled, seen("scheduled", 900.0, about=("r4", "4"), a_number="3060"))
    record(filled, hook("after", 910.0, about=("r2", "2")))
    with filled.transaction() as connection:
        drop_tasks(connection, ACCOUNT, ["r3"])
        later = {"account": ACCOUNT, "key": "r1", "leg": "a", "digits": "9999", "at": 800.0}
        connection.execute(insert(TASK_NUMBER).values(later))
        search_fill.write_step(connection, step)
    assert [row[:2] + row[3:4] for row in numbers(filled)] == [
        ("r1", "a", "9999"),
        ("r1", "b", "12345675947"),
        ("r2", "b", "76543216197"),
        ("r4", "a", "0603"),
    ]


def test_a_rebuild_ends_the_fill(filled: Store) -> None:
    as_upgraded(filled)
    rebuild(filled)
    assert numbers(filled) == ALL
    with filled.snapshot() as connection:
        assert position(connection) is None
