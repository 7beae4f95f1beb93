"""What is derived can be told from the ledger at any time: compared, and made anew."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, update

from receiver.rebuild import rebuild, verify
from receiver.store.tables import DERIVED, FACT, FINDING, LINK, QUEUE, TASK
from tests.factories import QUEUE as QUEUE_ID
from tests.factories import finished, hook, queue, seen, settled
from tests.ledger.house import House, open_house

pytestmark = pytest.mark.anyio

STORY = [
    queue(900.0),
    hook("before", 1_000.0),
    seen("executed", 1_001.0),
    queue(1_100.0, status="off"),
    finished("failed", 1_300.0),
    settled(2_000.0),
    hook("after", 1_290.0, about=(None, "8")),
]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path / "receiver.db") as house:
        for fact in STORY:
            await house.ledger.record([fact])
        yield house


async def tell(house: House, statement: Any) -> None:
    def work(connection: Connection) -> None:
        connection.execute(statement)

    await house.store.write(work)


def found(house: House) -> set[tuple[str, str, str, frozenset[str]]]:
    return {(each.table, each.key, each.problem, frozenset(each.columns)) for each in verify(house.store)}


async def test_what_was_recorded_is_what_the_ledger_gives(house: House) -> None:
    assert found(house) == set()


@pytest.mark.parametrize(
    ("damage", "difference"),
    [
        (
            update(TASK).where(TASK.c.key == "r1").values(state="new"),
            ("task", "acme/r1", "differs", {"state"}),
        ),
        (delete(TASK).where(TASK.c.key == "#8"), ("task", "acme/#8", "missing", set())),
        (delete(FACT).where(FACT.c.task_id == "8"), ("task", "acme/#8", "no facts bear this out", set())),
        (
            delete(FINDING).where(FINDING.c.kind == "after"),
            ("finding", "acme/r1/lost_hook/after", "missing", set()),
        ),
        (update(LINK).values(ref="r2"), ("link", "acme/7", "differs", {"ref"})),
        (update(QUEUE).values(status="on"), ("queue", f"acme/{QUEUE_ID}", "differs", {"status"})),
        (
            insert(QUEUE).values(account="acme", queue_id="6", status="on", observed_at=0.0),
            ("queue", "acme/6", "not borne out by the ledger", set()),
        ),
    ],
)
async def test_each_damage_to_a_derived_row_is_found_and_mended(
    house: House, damage: Any, difference: tuple[str, str, str, set[str]]
) -> None:
    await tell(house, damage)
    assert (*difference[:3], frozenset(difference[3])) in found(house)
    rebuild(house.store)
    assert found(house) == set()


async def test_tables_made_anew_are_the_same_row_by_row_and_the_ledger_is_untouched(house: House) -> None:
    tables = (*DERIVED, FACT)
    before = {table.name: house.rows(table) for table in tables}
    told: list[int] = []
    assert rebuild(house.store, told.append) == 2
    assert told == [2]
    assert {table.name: house.rows(table) for table in tables} == before


async def test_a_rebuild_counts_nothing_again(house: House) -> None:
    opened = house.sample("tasks_opened_total", queue=QUEUE_ID)
    rebuild(house.store)
    assert house.sample("tasks_opened_total", queue=QUEUE_ID) == opened


async def test_what_was_asked_is_no_difference_and_is_asked_anew_after_a_rebuild(house: House) -> None:
    await tell(house, update(TASK).where(TASK.c.key == "#8").values(ask_at=9_000.0, asks=3))
    assert found(house) == set()
    rebuild(house.store)
    (row,) = [row for row in house.rows(TASK) if row["key"] == "#8"]
    assert (row["ask_at"], row["asks"]) == (row["due_at"], 0)
    assert row["due_at"] is not None
