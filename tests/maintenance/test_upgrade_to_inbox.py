"""A store of the version before the inbox, with facts that it had recorded and not folded, is upgraded."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, select, text

from receiver.analytics.rollup_projection import Rollups
from receiver.domain.facts import Fact
from receiver.ledger import fact_sql
from receiver.ledger.links import Links
from receiver.ledger.projector import Projector
from receiver.ledger.rebuild import Comparison
from receiver.ledger.tables import DIRTY_TASK, FACT
from receiver.maintenance import schema
from receiver.storage.engine import Store
from receiver.tasks.projections import Attempts, Queues, Tasks, read_stored
from receiver.tasks.search_projection import Position, position
from receiver.tasks.tables import TASK
from tests.factories import ACCOUNT, finished, hook
from tests.ledger.ledger_env import open_ledger_env
from tests.ledger.projecting import verify
from tests.maintenance.histories import begun, counting
from tests.postgres import fresh_database

pytestmark = pytest.mark.anyio

OLDER = Projector([Links(), Queues(), Tasks(), Attempts(), Rollups()], read_stored)
"""The projections whose tables are in the older store."""

OBSERVED = [finished("failed", 50.0, about=("r1", "7")), finished("success", 51.0, about=("r2", "8"))]
FOLDED = [hook("before", 10.0, about=("r1", None)), hook("before", 11.0, about=("r2", None))]
PENDING = [
    hook("after", 30.0, about=("r1", None)),
    hook("after", 20.0, about=("r1", None)),
    hook("before", 22.0, about=("new", None)),
    hook("before", 23.0, about=(None, "8")),
    hook("before", 24.0, about=(None, "99")),
    replace(hook("before", 25.0, about=("r1", None)), account="other"),
]
"""One task twice; a new one; one that is known by its ref; one known by its id only; another account's."""


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty database is."""
    if request.param == "postgresql":
        return fresh_database(request.getfixturevalue("postgres"))
    return str(tmp_path / "receiver.db")


@pytest.fixture
def older(target: str, tmp_path: Path) -> Iterator[Store]:
    """A store at revision 0006."""
    history = begun(tmp_path / "migrations")
    for number in range(2, 7):
        history.copy(f"{number:04}")
    with closing(Store(target)) as store:
        with pytest.MonkeyPatch.context() as patch, store.transaction() as connection:
            patch.setattr(schema, "MIGRATIONS", history.folder)
            patch.setattr(schema, "make_views", lambda _connection: None)  # these are of today's tables
            assert schema.upgrade(connection)[-1] == "0006"
        yield store


def fill(connection: Connection) -> None:
    """As a receiver has left it that was killed between its commit and its fold."""
    fact_sql.add_facts(connection, [*FOLDED])
    with counting(connection):
        assert OLDER.record(connection, OBSERVED)
    for fact in PENDING:
        fact_sql.add_facts(connection, [fact])
        query = select(FACT.c.seq).where(FACT.c.id == fact.id)
        connection.execute(text("INSERT INTO pending VALUES (:seq)"), {"seq": connection.scalar(query)})
    connection.execute(text("INSERT INTO pending VALUES (4711)"))  # a mark whose fact is gone


def upgrade(store: Store) -> list[dict[str, Any]]:
    """The marks after the upgrade."""
    with store.transaction() as connection:
        assert schema.upgrade(connection)[0] == "0007"
    with store.snapshot() as connection:
        tables = inspect(connection).get_table_names()
        assert "pending" not in tables
        assert {"inbox", "set_aside", "dirty_task"} <= set(tables)
        order = DIRTY_TASK.c.account, DIRTY_TASK.c.name
        return [dict(row._mapping) for row in connection.execute(select(DIRTY_TASK).order_by(*order))]


async def test_facts_that_were_not_folded_become_dirty_tasks_and_are_folded(
    older: Store, target: str
) -> None:
    with older.transaction() as connection:
        fill(connection)
    fresh = {"failures": 0, "retry_at": 0.0, "problem": None}
    assert upgrade(older) == [
        {"account": ACCOUNT, "name": "#8", "since": 23.0, **fresh},
        {"account": ACCOUNT, "name": "#99", "since": 24.0, **fresh},
        {"account": ACCOUNT, "name": "new", "since": 22.0, **fresh},
        {"account": ACCOUNT, "name": "r1", "since": 20.0, **fresh},
        {"account": "other", "name": "r1", "since": 25.0, **fresh},
    ]
    assert verify(older) == Comparison([], 5)
    async with open_ledger_env(target) as ledger_env:
        await ledger_env.caught_up()
        assert ledger_env.rows(DIRTY_TASK) == []
        assert ledger_env.derived() == ledger_env.told_by_the_ledger()
        assert verify(ledger_env.store) == Comparison([], 0)
        keys = {(row["account"], row["key"]) for row in ledger_env.rows(TASK)}
        assert keys == {(ACCOUNT, key) for key in ("r1", "r2", "new", "#99")} | {("other", "r1")}


async def test_a_store_in_which_all_was_folded_has_no_dirty_task(older: Store) -> None:
    with older.transaction() as connection, counting(connection):
        assert OLDER.record(connection, OBSERVED)
    assert upgrade(older) == []
    assert verify(older) == Comparison([], 0)


async def test_the_phone_numbers_of_older_tasks_are_still_to_be_added(older: Store) -> None:
    with older.transaction() as connection, counting(connection):
        assert OLDER.record(connection, OBSERVED)
    upgrade(older)
    with older.snapshot() as connection:
        assert position(connection) == Position(1e15, "", "")


async def test_a_store_without_tasks_has_no_numbers_to_add(older: Store) -> None:
    upgrade(older)
    with older.snapshot() as connection:
        assert position(connection) is None


async def test_an_upgrade_that_fails_half_way_keeps_what_was_pending(older: Store) -> None:
    def waiting(connection: Connection) -> int:
        return len(connection.execute(text("SELECT seq FROM pending")).all())

    with older.transaction() as connection:
        fill(connection)

    def fail() -> None:
        with older.transaction() as connection:
            schema.upgrade(connection)
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail()
    with older.snapshot() as connection:
        assert waiting(connection) == len(PENDING) + 1
        assert schema.current(connection) == "0006"


def facts_of(store: Store) -> list[Fact]:
    with store.snapshot() as connection:
        found = fact_sql.facts_of(connection, ACCOUNT, ["r1", "r2", "new", "#8", "#99"])
    return sorted((fact for facts in found.values() for fact in facts), key=lambda fact: fact.id)


async def test_no_fact_is_changed_by_the_upgrade(older: Store) -> None:
    with older.transaction() as connection:
        fill(connection)
    before = facts_of(older)
    upgrade(older)
    assert facts_of(older) == before
    assert len(before) == len(OBSERVED) + len(FOLDED) + len(PENDING) - 1
