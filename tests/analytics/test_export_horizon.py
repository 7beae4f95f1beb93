"""An export goes no further than where a row may still be missing: two receivers commit in any order."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from sqlalchemy import insert, text

from receiver.analytics.export_pages import POSITION, ExportSelection, Position, read_position
from receiver.analytics.exports import FORMATS, export
from receiver.analytics.views import RELATIONS
from receiver.inbox.tables import INBOX
from receiver.ledger import fact_sql
from receiver.ledger.append import add_arrivals
from receiver.ledger.tables import DELIVERY, DIRTY_TASK
from receiver.maintenance.schema import create_tables
from receiver.storage.engine import Store
from receiver.tasks.tables import TASK
from tests.analytics import odd
from tests.analytics.odd import read_jsonl
from tests.factories import ACCOUNT, delivery, hook
from tests.maintenance.lives import arrival
from tests.postgres import prepared_database

NOW = 1_772_357_400.0


def rows_of(store: Store, relation: str, after: Position = (), now: float = NOW) -> list[dict[str, Any]]:
    async def run() -> bytes:
        selection = ExportSelection(RELATIONS[relation], after=after)
        made = export(store, selection, FORMATS["jsonl"].make(selection.relation), now)
        return b"".join([part.data async for part in made])

    return read_jsonl(asyncio.run(run()))


def behind(store: Store, relation: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a later export adds."""
    after = read_position(rows[-1][POSITION], RELATIONS[relation]) if rows else ()
    return rows_of(store, relation, after)


def waits_for_lock(store: Store) -> bool:
    with store.snapshot() as connection:
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return bool(connection.scalar(text(query)))


@pytest.mark.parametrize("way", ["hooks", "observations"])
def test_a_fact_that_is_committed_late_is_not_behind_the_position(postgres: str, way: str) -> None:
    """The first receiver has its number already, the second one commits a greater number before."""
    target = prepared_database(postgres)
    with closing(Store(target)) as first, closing(Store(target)) as second, ThreadPoolExecutor(1) as pool:
        with first.transaction() as connection:
            if way == "hooks":
                add_arrivals(connection, [arrival(("late", None), "before", NOW)])
            else:
                fact_sql.add_facts(connection, [hook("before", NOW, about=("late", None))])
            with second.transaction() as other:
                add_arrivals(other, [arrival(("early", None), "before", NOW)])
            exporting = pool.submit(rows_of, second, "facts")
            until = monotonic() + 10
            while not exporting.done() and not waits_for_lock(second) and monotonic() < until:
                sleep(0.01)
        found = exporting.result(10)
        refs = [row["ref"] for row in [*found, *behind(second, "facts", found)]]
    assert refs == ["late", "early"]


def test_facts_are_exported_whole_where_nobody_writes(store: Store) -> None:
    with store.transaction() as connection:
        fact_sql.add_facts(connection, [hook("before", NOW + at, about=("r1", None)) for at in range(3)])
    assert len(rows_of(store, "facts")) == 3


def add_hooks(store: Store, *moments: float) -> None:
    names = delivery("d")._fields
    rows: list[dict[str, Any]] = [
        dict(zip(names, delivery(f"d{at}", at), strict=True)) | {"headers": []} for at in moments
    ]
    with store.transaction() as connection:
        connection.execute(insert(DELIVERY), rows)


def add_tasks(store: Store, *moments: float) -> None:
    with store.transaction() as connection:
        tasks = [odd.task(1, first_at=at, key=f"r{at}", account=ACCOUNT) for at in moments]
        connection.execute(insert(TASK), tasks)


ADD = {"hooks": add_hooks, "tasks": add_tasks}


@pytest.mark.parametrize("relation", ADD)
def test_hooks_that_are_not_read_yet_are_not_behind_the_position(store: Store, relation: str) -> None:
    """Another receiver took them in, and has not read them."""
    ADD[relation](store, NOW - 100, NOW - 60)
    unread = {"at": NOW - 80, "count": 1, "bytes": 1, "batch": b"x"}
    with store.transaction() as connection:
        connection.execute(insert(INBOX), [unread])
    found = rows_of(store, relation)
    assert len(found) == 1
    with store.transaction() as connection:
        connection.execute(INBOX.delete())
    ADD[relation](store, NOW - 80)
    assert len(behind(store, relation, found)) == 2


@pytest.mark.parametrize("failures", [0, 1])
def test_tasks_that_are_not_folded_yet_are_not_behind_the_position(store: Store, failures: int) -> None:
    """A task that cannot be folded holds nothing up."""
    add_tasks(store, NOW - 100, NOW - 60)
    with store.transaction() as connection:
        row = {"account": ACCOUNT, "name": "r9", "since": NOW - 80, "failures": failures, "retry_at": 0.0}
        connection.execute(insert(DIRTY_TASK), [row])
    assert len(rows_of(store, "tasks")) == 1 + failures


@pytest.mark.parametrize("relation", ADD)
def test_what_another_receiver_may_not_have_stored_yet_is_waited_for(store: Store, relation: str) -> None:
    ADD[relation](store, NOW - 60, NOW - 1)
    found = rows_of(store, relation)
    assert len(found) == (1 if store.is_shared else 2)
    assert len(found) + len(behind(store, relation, found)) == len(found)
    assert len(rows_of(store, relation, now=NOW + 60)) == 2


def test_on_sqlite_what_is_there_is_exported(tmp_path: Path) -> None:
    """One process stores hooks in the order in which they come."""
    with closing(Store(tmp_path / "receiver.db")) as store:
        create_tables(store)
        add_hooks(store, NOW - 1, NOW + 5)
        assert len(rows_of(store, "hooks")) == 2
