"""Beside the writer on PostgreSQL, in its turn on SQLite: appends to the inbox, and claims of rows."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing

import pytest
from sqlalchemy import Connection, select, text

from receiver.errors import StoreError, StoreUnavailableError
from receiver.inbox.tables import INBOX
from receiver.maintenance.schema import create_tables
from receiver.storage.engine import Store
from tests.ledger.ledger_env import other_process
from tests.postgres import prepared_database

pytestmark = pytest.mark.anyio

APPEND = "INSERT INTO inbox (at, count, bytes, batch) VALUES (?, ?, ?, ?)"
FIRST = text("SELECT number FROM inbox ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED")


@pytest.fixture
def target(postgres: str) -> str:
    """A database with more than one writer."""
    return prepared_database(postgres)


@pytest.fixture
def shared(target: str) -> Iterator[Store]:
    with closing(Store(target, timeout_s=2.0)) as store:
        yield store


async def append(store: Store, count: int) -> None:
    async with store.appending:
        await store.append(APPEND, 1.0, count, 3, b"...")


def counts(connection: Connection) -> list[int]:
    """What was appended: the number of hooks of each batch."""
    return list(connection.scalars(select(INBOX.c["count"]).order_by(INBOX.c.number)))


@asynccontextmanager
async def writing(store: Store) -> AsyncIterator[None]:
    """While this lasts the writer is in the middle of a transaction."""
    begun, go_on = threading.Event(), threading.Event()

    def work(_connection: Connection) -> None:
        begun.set()
        go_on.wait(10)

    task = asyncio.create_task(store.write(work))
    await asyncio.to_thread(begun.wait, 10)
    try:
        yield
    finally:
        go_on.set()
        await task


async def test_what_was_appended_is_on_disk_when_the_call_returns(store: Store, store_target: str) -> None:
    await append(store, 1)
    with other_process(store_target) as other:
        assert counts(other) == [1]
    await append(store, 2)
    assert await store.read(counts) == [1, 2]


async def test_appends_do_not_wait_for_the_writer_where_there_can_be_more_than_one(shared: Store) -> None:
    async with writing(shared):
        await asyncio.wait_for(append(shared, 1), 5)
        assert await shared.read(counts) == [1]


async def test_with_one_writer_an_append_waits_for_its_turn_where_it_can_still_be_rejected(
    sqlite_store: Store,
) -> None:
    async with writing(sqlite_store):
        waiting = asyncio.create_task(append(sqlite_store, 1))
        await asyncio.sleep(0.05)
        assert sqlite_store.appending.locked()
        waiting.cancel()
    await append(sqlite_store, 2)
    assert await sqlite_store.read(counts) == [2]


async def test_an_append_that_the_store_refuses_leaves_nothing_and_the_next_is_kept(store: Store) -> None:
    async with store.appending:
        with pytest.raises(StoreError) as caught:
            await store.append(APPEND, 1.0, None, 3, b"...")
    assert not isinstance(caught.value, StoreUnavailableError)
    await append(store, 2)
    assert await store.read(counts) == [2]


async def test_an_append_whose_connection_was_cut_is_made_on_another_one(shared: Store, target: str) -> None:
    await append(shared, 1)
    with other_process(target) as other:
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        other.execute(text(f"{cut} AND pid <> pg_backend_pid()"))
    await asyncio.sleep(0.05)
    await append(shared, 2)
    assert await shared.read(counts) == [1, 2]


async def test_works_of_a_claim_are_one_transaction(shared: Store) -> None:
    await append(shared, 1)
    async with shared.claim() as claim:
        number = await claim(lambda it: it.scalar(FIRST))
        await claim(lambda it: it.execute(INBOX.delete().where(INBOX.c.number == number)))
        assert await shared.read(counts) == [1]
    assert await shared.read(counts) == []


@pytest.mark.parametrize("error", [RuntimeError("half way"), asyncio.CancelledError()])
async def test_a_claim_that_fails_leaves_nothing(shared: Store, error: BaseException) -> None:
    async def fail() -> None:
        async with shared.claim() as claim:
            await claim(lambda it: it.execute(INBOX.delete()))
            raise error

    await append(shared, 1)
    with pytest.raises(type(error)):
        await fail()
    assert await shared.read(counts) == [1]
    async with shared.claim() as claim:
        assert await claim(counts) == [1]


@pytest.mark.parametrize("pause", [0.0, 0.0005, 0.002, 0.005])
async def test_a_claim_that_is_cancelled_as_it_begins_is_in_nobodys_way(shared: Store, pause: float) -> None:
    async def claim_once() -> list[int]:
        async with shared.claim() as claim:
            return await claim(counts)

    cancelled = asyncio.create_task(claim_once())
    await asyncio.sleep(pause)
    cancelled.cancel()
    await asyncio.wait([cancelled])
    assert await asyncio.wait_for(claim_once(), 5) == []


async def test_a_claimed_row_is_nobody_elses_until_the_claim_ends(shared: Store, target: str) -> None:
    await append(shared, 1)
    with closing(Store(target)) as other:
        async with shared.claim() as claim, other.claim() as others:
            assert await claim(lambda it: it.scalar(FIRST)) == 1
            assert await others(lambda it: it.scalar(FIRST)) is None
        async with other.claim() as others:
            assert await others(lambda it: it.scalar(FIRST)) == 1


async def test_claims_need_a_database_with_more_than_one_writer(sqlite_store: Store) -> None:
    with pytest.raises(StoreError, match="claims need PostgreSQL"):
        async with sqlite_store.claim():
            pass


async def test_who_waits_for_the_store_is_told_of_its_trouble_if_it_took_long_to_find(
    store_target: str,
) -> None:
    with closing(Store(store_target, timeout_s=0.7)) as store:
        create_tables(store)
        told: list[StoreUnavailableError] = []
        store.when_unavailable(told.append)

        def fail(connection: Connection) -> None:
            connection.execute(text("SELECT no_such_function()"))

        with pytest.raises(StoreError):
            await store.read(fail)
        assert told == []
        began = time.monotonic()
        with other_process(store_target) as other:
            other.execute(text("LOCK TABLE inbox" if store.is_shared else "SELECT 1"))
            with pytest.raises(StoreUnavailableError):
                await append(store, 1)
        assert time.monotonic() - began > 0.5
        assert len(told) == 1
