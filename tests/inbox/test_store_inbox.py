"""The inbox in the store: what was acknowledged is in it until it is finished, which happens once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from receiver.errors import StoreError, StoreUnavailableError
from receiver.inbox.inbox import Level, StoredBatch, StoreInbox, decode_batch, encode_batch
from receiver.inbox.tables import INBOX
from receiver.ledger.append import Arrival, add_arrivals
from receiver.ledger.tables import DELIVERY
from tests.factories import delivery
from tests.inbox.inbox_env import AT, InboxEnv, append, open_inbox, raw_hook, raw_hooks
from tests.ledger.ledger_env import other_process
from tests.postgres import prepared_database

pytestmark = pytest.mark.anyio


@pytest.fixture
async def env(store_target: str) -> AsyncIterator[InboxEnv]:
    """An inbox that nobody reads, whose store waits 0.2 s for a lock."""
    async with open_inbox(store_target, timeout_s=0.2, is_idle=True) as env:
        yield env


def small_inbox(env: InboxEnv, max_hooks: int = 1_000, max_bytes: int = 2**20) -> StoreInbox:
    return StoreInbox(env.store, max_hooks, max_bytes)


def nothing(_connection: Connection) -> None:
    """Work that does nothing."""


def keep(name: str) -> Callable[[Connection], None]:
    """Work that keeps a delivery."""
    return lambda connection: add_arrivals(connection, [Arrival(delivery(name), None)])


async def finish_all(inbox: StoreInbox, most: int = 1) -> list[StoredBatch]:
    """Take until nothing is left; all batches in the order in which they were taken."""
    found: list[StoredBatch] = []
    while True:
        async with inbox.take(most) as taken:
            if not taken.batches:
                return found
            await taken.finish(nothing)
            found += taken.batches


async def test_what_is_appended_is_on_disk_as_one_row_a_batch(env: InboxEnv, store_target: str) -> None:
    hooks = raw_hooks(3)
    await append(env.inbox, *hooks)
    with other_process(store_target) as other:
        (row,) = other.execute(text("SELECT at, count, bytes, batch FROM inbox")).all()
    assert tuple(row) == (AT, 3, len(encode_batch(hooks)), encode_batch(hooks))


async def test_the_oldest_batches_are_taken_first_and_whole(env: InboxEnv) -> None:
    for first in range(0, 9, 3):
        await append(env.inbox, *raw_hooks(3, first))
    async with env.inbox.take(6) as taken:
        assert [(batch.at, batch.size) for batch in taken.batches] == [(AT, 3), (AT + 3, 3)]
        hooks = [hook for batch in taken.batches for hook in decode_batch(batch.document)]
        assert hooks == raw_hooks(6)


@pytest.mark.parametrize(("most", "batches"), [(1, 1), (3, 1), (5, 1), (6, 2), (8, 2), (9, 3), (1_000, 3)])
async def test_no_more_hooks_are_taken_than_wanted_but_at_least_one_batch(
    env: InboxEnv, most: int, batches: int
) -> None:
    for first in range(0, 9, 3):
        await append(env.inbox, *raw_hooks(3, first))
    async with env.inbox.take(most) as taken:
        assert len(taken.batches) == batches


async def test_an_empty_inbox_gives_nothing(env: InboxEnv) -> None:
    async with env.inbox.take(100) as taken:
        assert taken.batches == []


async def test_an_empty_batch_is_kept_and_taken_like_any_other(env: InboxEnv) -> None:
    """As who asks whether the inbox commits has it."""
    await append(env.inbox)
    assert await env.inbox.measure() == Level(0, 3, AT)
    (batch,) = await finish_all(env.inbox)
    assert (batch.size, decode_batch(batch.document)) == (0, [])


async def test_what_is_finished_is_gone_and_its_work_is_kept(env: InboxEnv) -> None:
    await append(env.inbox, raw_hook(1))
    await append(env.inbox, raw_hook(2))
    async with env.inbox.take(1) as taken:
        await taken.finish(keep("d1"))
    assert env.column(INBOX, "at") == [AT + 2]
    assert env.column(DELIVERY, "id") == ["d1"]


async def test_finish_returns_what_the_work_does(env: InboxEnv) -> None:
    await append(env.inbox, raw_hook(1))
    async with env.inbox.take(1) as taken:
        assert await taken.finish(lambda connection: connection.scalar(text("SELECT 7"))) == 7


async def test_numbers_are_never_given_out_twice(env: InboxEnv) -> None:
    """On SQLite a row's number is otherwise that of the last one that is there, and one more."""
    numbers = []
    for number in range(3):
        await append(env.inbox, raw_hook(number))
        numbers += [batch.number for batch in await finish_all(env.inbox)]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 3


async def test_a_batch_that_was_taken_and_not_finished_is_taken_again(env: InboxEnv) -> None:
    await append(env.inbox, raw_hook(1))
    async with env.inbox.take(1) as first:
        pass
    assert await finish_all(env.inbox) == first.batches


@pytest.mark.parametrize("error", [RuntimeError("a fault of ours"), asyncio.CancelledError()])
async def test_a_taker_that_is_torn_away_leaves_its_batches(env: InboxEnv, error: BaseException) -> None:
    async def take_in_vain() -> None:
        async with env.inbox.take(9):
            raise error

    await append(env.inbox, raw_hook(1))
    await append(env.inbox, raw_hook(2))
    with pytest.raises(type(error)):
        await take_in_vain()
    assert len(await finish_all(env.inbox)) == 2


async def test_work_that_fails_leaves_the_batches_and_nothing_of_itself(env: InboxEnv) -> None:
    def fail(connection: Connection) -> None:
        keep("d1")(connection)
        raise RuntimeError("half way")

    async def finish_in_vain(work: Callable[[Connection], Any]) -> None:
        async with env.inbox.take(9) as taken:
            await taken.finish(work)

    await append(env.inbox, raw_hook(1))
    level = env.inbox.level
    with pytest.raises(RuntimeError):
        await finish_in_vain(fail)
    with pytest.raises(StoreError):
        await finish_in_vain(lambda connection: [keep("d1")(connection), keep("d1")(connection)])
    assert env.rows(DELIVERY) == []
    assert env.inbox.level == level
    assert len(await finish_all(env.inbox)) == 1


async def test_where_the_store_is_in_trouble_nothing_is_appended(env: InboxEnv, store_target: str) -> None:
    with other_process(store_target) as other:
        other.execute(text("LOCK TABLE inbox" if env.store.is_shared else "SELECT 1"))
        with pytest.raises(StoreUnavailableError):
            await append(env.inbox, raw_hook(1))
    assert env.rows(INBOX) == []
    assert env.inbox.level == Level(0, 0, None)
    await append(env.inbox, raw_hook(1))
    assert len(await finish_all(env.inbox)) == 1


async def test_how_full_it_is_is_known_as_it_fills_and_is_read(env: InboxEnv) -> None:
    sizes = []
    for number in range(3):
        hooks = raw_hooks(number + 1, 10 * number)
        await append(env.inbox, *hooks)
        sizes.append(len(encode_batch(hooks)))
    level = env.inbox.level
    assert (level.hooks, level.bytes, level.since) == (6, sum(sizes), AT)
    assert await env.inbox.measure() == level
    async with env.inbox.take(1) as taken:
        await taken.finish(nothing)
    assert (env.inbox.level.hooks, env.inbox.level.bytes) == (5, sum(sizes[1:]))
    assert await env.inbox.measure() == Level(5, sum(sizes[1:]), AT + 10)
    await finish_all(env.inbox)
    assert (env.inbox.level.hooks, env.inbox.level.bytes) == (0, 0)
    assert await env.inbox.measure() == Level(0, 0, None)


async def test_what_another_receiver_has_appended_counts_once_it_is_looked_for(env: InboxEnv) -> None:
    other = small_inbox(env)
    await append(env.inbox, *raw_hooks(3))
    assert other.level.hooks == 0
    assert (await other.measure()).hooks == other.level.hooks == 3
    await finish_all(env.inbox)
    assert (await other.measure()).hooks == other.level.hooks == 0


async def test_beyond_a_number_of_hooks_nothing_more_is_taken_in_until_some_are_read(env: InboxEnv) -> None:
    inbox = small_inbox(env, max_hooks=5)
    await append(inbox, *raw_hooks(4))
    inbox.require_room()
    await append(inbox, *raw_hooks(3, 4))
    with pytest.raises(StoreUnavailableError, match="the inbox is full"):
        inbox.require_room()
    async with inbox.take(1) as taken:
        await taken.finish(nothing)
    inbox.require_room()


async def test_beyond_a_number_of_bytes_nothing_more_is_taken_in_until_some_are_read(env: InboxEnv) -> None:
    inbox = small_inbox(env, max_bytes=5_000)
    await append(inbox, raw_hook(1, body=b"x" * 4_000))
    inbox.require_room()
    await append(inbox, raw_hook(2, body=b"x" * 4_000))
    with pytest.raises(StoreUnavailableError, match="the inbox is full"):
        inbox.require_room()
    await finish_all(inbox)
    inbox.require_room()


async def test_bounds_are_of_what_is_unread_and_not_of_all_that_ever_came(env: InboxEnv) -> None:
    """Hooks that come and are read all the time, so that the inbox is never empty."""
    inbox = small_inbox(env, max_hooks=10)
    await append(inbox, raw_hook(0))
    for number in range(1, 40):
        inbox.require_room()
        await append(inbox, raw_hook(number))
        async with inbox.take(1) as taken:
            await taken.finish(nothing)
    assert inbox.level.hooks == 1


async def test_two_takers_on_postgresql_get_different_batches(postgres: str) -> None:
    target = prepared_database(postgres)
    async with open_inbox(target, is_idle=True) as one, open_inbox(target, is_idle=True) as other:
        for number in range(130):
            await append(one.inbox, raw_hook(number))
        async with AsyncExitStack() as held:
            first = await held.enter_async_context(one.inbox.take(1))
            second = await held.enter_async_context(other.inbox.take(1))
            assert first.batches[0].at == AT
            assert second.batches[0].at > AT
            await first.finish(keep("d1"))
            await second.finish(keep("d2"))
        assert one.column(DELIVERY, "id") == ["d1", "d2"]
        assert len(one.rows(INBOX)) == 128


async def test_what_a_taker_on_postgresql_lets_go_of_is_for_the_others(postgres: str) -> None:
    target = prepared_database(postgres)
    async with open_inbox(target, is_idle=True) as one, open_inbox(target, is_idle=True) as other:
        await append(one.inbox, raw_hook(1))

        async def take_in_vain() -> None:
            async with one.inbox.take(1) as taken:
                assert len(taken.batches) == 1
                async with other.inbox.take(1) as none:
                    assert none.batches == []
                raise RuntimeError("a fault of ours")

        with pytest.raises(RuntimeError):
            await take_in_vain()
        async with other.inbox.take(1) as taken:
            assert len(taken.batches) == 1
            await taken.finish(nothing)
        assert await finish_all(one.inbox) == []


async def test_of_two_takers_on_sqlite_the_second_to_finish_keeps_nothing(tmp_path: Path) -> None:
    target = str(tmp_path / "receiver.db")
    async with open_inbox(target, is_idle=True) as one, open_inbox(target, is_idle=True) as other:
        await append(one.inbox, raw_hook(1))
        await append(one.inbox, raw_hook(2))
        async with other.inbox.take(1) as first, one.inbox.take(9) as second:
            assert (len(first.batches), len(second.batches)) == (1, 2)
            await first.finish(keep("d1"))
            with pytest.raises(StoreUnavailableError, match="another process has read the same hooks"):
                await second.finish(keep("d2"))
        assert one.column(DELIVERY, "id") == ["d1"]
        assert one.column(INBOX, "at") == [AT + 2]
