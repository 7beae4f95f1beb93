"""What is derived can be told from the ledger at any time: compared, and made anew."""

from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from receiver.ledger.tables import FACT, LINK
from receiver.tasks.tables import FINDING, QUEUE, TASK
from tests.factories import QUEUE as QUEUE_ID
from tests.factories import finished, hook, queue, seen, settled
from tests.ledger.ledger_env import LedgerEnv
from tests.ledger.projecting import rebuild, verify
from tests.ledger.rebuild.world import tell

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
async def told(ledger_env: LedgerEnv) -> LedgerEnv:
    for fact in STORY:
        await ledger_env.ledger.record([fact])
    return ledger_env


def found(ledger_env: LedgerEnv) -> set[tuple[str, str, str, frozenset[str]]]:
    comparison = verify(ledger_env.store)
    assert comparison.to_fold == 0
    return {(each.table, each.key, each.problem, frozenset(each.columns)) for each in comparison.differences}


async def test_what_was_recorded_is_what_the_ledger_gives(told: LedgerEnv) -> None:
    assert found(told) == set()


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
        (delete(LINK), ("link", "acme/7", "missing", set())),
        (
            insert(LINK).values(account="acme", task_id="6", ref="r6"),
            ("link", "acme/6", "not borne out by the ledger", set()),
        ),
        (update(QUEUE).values(status="on"), ("queue", f"acme/{QUEUE_ID}", "differs", {"status"})),
        (
            insert(QUEUE).values(account="acme", queue_id="6", status="on", observed_at=0.0),
            ("queue", "acme/6", "not borne out by the ledger", set()),
        ),
    ],
)
async def test_each_damage_to_a_derived_row_is_found_and_mended(
    told: LedgerEnv, damage: Any, difference: tuple[str, str, str, set[str]]
) -> None:
    await tell(told, damage)
    assert (*difference[:3], frozenset(difference[3])) in found(told)
    rebuild(told.store)
    assert found(told) == set()


async def test_tables_made_anew_are_the_same_row_by_row_and_the_ledger_is_untouched(told: LedgerEnv) -> None:
    tables = (LINK, TASK, FINDING, QUEUE, FACT)
    before = {table.name: told.rows(table) for table in tables}
    progress: list[int] = []
    assert rebuild(told.store, progress.append) == 2
    assert progress == [1, 2]
    assert {table.name: told.rows(table) for table in tables} == before


async def test_a_rebuild_counts_nothing_again(told: LedgerEnv) -> None:
    opened = told.sample("tasks_opened_total", queue=QUEUE_ID)
    rebuild(told.store)
    assert told.sample("tasks_opened_total", queue=QUEUE_ID) == opened


async def test_what_was_asked_is_no_difference_and_outlives_a_rebuild(told: LedgerEnv) -> None:
    await tell(told, update(TASK).where(TASK.c.key == "#8").values(ask_at=9_000.0, asks=3))
    assert found(told) == set()
    rebuild(told.store)
    (row,) = [row for row in told.rows(TASK) if row["key"] == "#8"]
    assert (row["ask_at"], row["asks"]) == (9_000.0, 3)
