import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Connection, insert, select

from receiver.errors import StoreError, StoreUnavailableError
from receiver.ledger import fact_sql
from receiver.ledger.tables import DELIVERY, FACT
from receiver.maintenance.schema import create_tables
from receiver.storage.engine import Store
from tests.factories import delivery, hook
from tests.postgres import prepared_database

pytestmark = pytest.mark.anyio


def facts(connection: Connection) -> int:
    return len(connection.execute(select(FACT.c.id)).all())


def test_every_commit_is_on_disk_before_it_returns(sqlite_store: Store) -> None:
    with sqlite_store.transaction() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}


def test_what_was_committed_is_seen_by_another_process_of_the_same_file(sqlite_store: Store) -> None:
    with sqlite_store.transaction() as connection:
        fact_sql.add_facts(connection, [hook("before", 1.0)])
    with closing(sqlite3.connect(sqlite_store.path)) as other:
        assert other.execute("SELECT count(*) FROM fact").fetchone() == (1,)


def test_a_transaction_holds_the_write_lock_from_its_beginning(sqlite_store: Store) -> None:
    """One that took it only at its first write could find that another process has written since it read."""
    with (
        sqlite_store.transaction() as connection,
        closing(sqlite3.connect(sqlite_store.path, timeout=0)) as other,
    ):
        assert facts(connection) == 0
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    def fail_half_way() -> None:
        with store.transaction() as connection:
            fact_sql.add_facts(connection, [hook("before", 1.0)])
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way()
    with store.snapshot() as connection:
        assert facts(connection) == 0


def test_creating_twice_keeps_what_is_there(store: Store) -> None:
    with store.transaction() as connection:
        fact_sql.add_facts(connection, [hook("before", 1.0)])
    create_tables(store)
    with store.snapshot() as connection:
        assert facts(connection) == 1


def test_a_snapshot_does_not_move_while_others_write(store: Store) -> None:
    with store.snapshot() as reader:
        assert facts(reader) == 0
        with store.transaction() as writer:
            fact_sql.add_facts(writer, [hook("before", 1.0)])
        assert facts(reader) == 0
    with store.snapshot() as reader:
        assert facts(reader) == 1


async def test_writes_queue_in_one_thread_and_reads_run_beside_them(store: Store) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> str:
        fact_sql.add_facts(connection, [hook("before", 1.0)])
        begun.set()
        assert go_on.wait(10)
        return threading.current_thread().name

    first = asyncio.create_task(store.write(slow))
    await asyncio.to_thread(begun.wait, 10)
    second = asyncio.create_task(store.write(lambda _: threading.current_thread().name))
    assert await store.read(facts) == 0
    assert not second.done()
    go_on.set()
    assert await first == await second
    assert await store.read(facts) == 1


def test_rows_that_the_store_will_never_take_are_not_called_trouble_of_the_store(store: Store) -> None:
    with store.transaction() as connection:
        connection.execute(insert(DELIVERY), delivery("d1")._asdict())
    with pytest.raises(StoreError) as caught, store.transaction() as connection:
        connection.execute(insert(DELIVERY), delivery("d1")._asdict())
    assert not isinstance(caught.value, StoreUnavailableError)


def test_a_value_that_is_too_large_for_an_index_is_not_called_trouble_of_the_store(postgres: str) -> None:
    """The driver counts it as operational, and to wait for the end of that would take for ever."""
    large = Random(1).randbytes(6_000).hex()
    with closing(Store(prepared_database(postgres))) as store:
        with pytest.raises(StoreError, match="index row") as caught, store.transaction() as connection:
            fact_sql.add_facts(connection, [hook("before", 1.0, about=(large, None))])
        assert not isinstance(caught.value, StoreUnavailableError)
        assert large[:9] not in str(caught.value)


def test_errors_name_the_trouble_but_no_content(store: Store) -> None:
    row = delivery("d1")._asdict() | {"query": "phone=70000000001", "ref": None, "account": None}
    with pytest.raises(StoreError) as caught, store.transaction() as connection:
        connection.execute(insert(DELIVERY), row)
    assert "account" in str(caught.value)
    assert "70000000001" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_file_that_is_no_database_is_trouble_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"no database at all" * 1_000)
    store = Store(tmp_path / "broken.db")
    with pytest.raises(StoreUnavailableError, match="not a database"):
        create_tables(store)
    store.close()


def test_a_place_that_cannot_be_written_is_trouble_of_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "missing" / "receiver.db")
    with pytest.raises(StoreUnavailableError, match="unable to open"):
        create_tables(store)
    store.close()
