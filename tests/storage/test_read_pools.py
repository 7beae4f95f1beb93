"""Reads of one kind never wait for those of another, and those that read much are few and have a limit."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from sqlalchemy import Connection

from receiver.errors import TimeLimitError, TooManyReadsError
from receiver.maintenance.schema import create_tables
from receiver.storage.engine import Store
from receiver.storage.read_pools import POOLS, ReadKind

pytestmark = pytest.mark.anyio

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT (x + 1) & 1023 FROM n) SELECT sum(x) FROM n"


def one(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT 1").scalar_one())


def endless(connection: Connection) -> object:
    return connection.exec_driver_sql(ENDLESS).scalar_one()


@contextmanager
def busy(store: Store, kind: ReadKind, reads: int) -> Iterator[list["asyncio.Task[int]"]]:
    """So many reads of a kind that go on until the end."""
    go_on = threading.Event()

    def wait(connection: Connection) -> int:
        go_on.wait(20)
        return one(connection)

    tasks = [asyncio.create_task(store.read(wait, kind)) for _ in range(reads)]
    try:
        yield tasks
    finally:
        go_on.set()


@pytest.mark.parametrize("kind", POOLS)
async def test_a_lane_that_is_full_delays_no_other_and_no_writer(store: Store, kind: ReadKind) -> None:
    with busy(store, kind, POOLS[kind].workers) as reads:
        others = [store.read(one, each) for each in POOLS if each != kind]
        assert await asyncio.wait_for(asyncio.gather(*others, store.write(one)), 5) == [1] * 4
        assert not any(read.done() for read in reads)
    assert await asyncio.gather(*reads) == [1] * POOLS[kind].workers


async def test_what_requests_read_is_in_a_lane_of_theirs(store: Store) -> None:
    requests = store.for_requests()
    with busy(store, "work", 8), busy(store, "heavy", 8):
        assert await asyncio.wait_for(requests.read(one), 5) == 1
    with busy(requests, "request", 8):
        assert await asyncio.wait_for(store.read(one), 5) == 1


async def test_a_heavy_read_beyond_those_that_may_wait_is_refused_at_once(store: Store) -> None:
    most = POOLS["heavy"].max_waiting
    assert most is not None
    with busy(store, "heavy", POOLS["heavy"].workers + most) as reads:
        await asyncio.sleep(0)
        with pytest.raises(TooManyReadsError):
            await store.read(one, "heavy")
    await asyncio.gather(*reads)
    assert await store.read(one, "heavy") == 1


async def test_who_goes_away_frees_no_place_before_the_thread_is_free(store: Store) -> None:
    threads, most = POOLS["heavy"].workers, POOLS["heavy"].max_waiting
    assert most is not None
    with busy(store, "heavy", threads + most) as reads:
        await asyncio.sleep(0)
        for read in reads:
            read.cancel()
        await asyncio.wait(reads)
        with pytest.raises(TooManyReadsError):
            await store.read(one, "heavy")


def test_a_read_that_takes_too_long_is_ended_and_its_connection_serves_on(store_target: str) -> None:
    with closing(Store(store_target, timeout_s=60.0)) as store:
        create_tables(store)
        began = time.monotonic()
        with pytest.raises(TimeLimitError), store.snapshot(limit_s=0.3) as connection:
            endless(connection)
        assert time.monotonic() - began < 5
        for _ in range(POOLS["work"].workers + 1):
            with store.snapshot() as connection:
                if store.is_shared:
                    assert connection.exec_driver_sql("SHOW statement_timeout").scalar_one() == "1min"
                assert one(connection) == 1


async def test_a_heavy_read_that_takes_too_long_does_not_refuse_the_hooks_that_wait(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others who wait for the store are told of its trouble, and this is none."""
    told: list[object] = []
    store.when_unavailable(told.append)
    monkeypatch.setattr("receiver.storage.engine._SLOW_S", 0.0)
    monkeypatch.setattr(store._pools["heavy"], "limits", POOLS["heavy"].__class__(2, 0.2, 16))
    with pytest.raises(TimeLimitError):
        await store.read(endless, "heavy")
    assert told == []
