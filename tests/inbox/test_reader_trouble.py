"""A reader in trouble, beside others, and at its end: nothing is lost, and nothing is kept twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Connection

from receiver.errors import StoreUnavailableError
from receiver.inbox import inbox, reader
from receiver.inbox.tables import INBOX
from receiver.ledger import backlog, folder
from receiver.ledger.append import Arrival, add_arrivals
from receiver.ledger.tables import DIRTY_TASK, FACT
from receiver.ledger.throttle import Throttle
from receiver.storage import locks
from receiver.tasks.tables import TASK
from tests.inbox.inbox_env import InboxEnv, check, open_inbox, raw_hooks
from tests.ledger.ledger_env import other_process
from tests.postgres import prepared_database

pytestmark = pytest.mark.anyio


@pytest.fixture
async def env(store_target: str) -> AsyncIterator[InboxEnv]:
    async with open_inbox(store_target) as env:
        yield env


async def test_while_the_store_is_in_trouble_nothing_is_set_aside_and_later_all_is_read(
    store_target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "AFTER_FAILURE_S", 0.05)
    async with open_inbox(store_target, timeout_s=0.2) as env:
        await env.caught_up()
        with monkeypatch.context() as held:
            held.setattr(Throttle, "allows", lambda _: False)
            await env.append(*raw_hooks(3))
        with other_process(store_target) as other:
            other.exec_driver_sql("LOCK TABLE delivery, inbox" if env.store.is_shared else "SELECT 1")
            await asyncio.sleep(1.0)
            assert not env.reader.backlog.is_empty
        await env.caught_up()
        check(env, raw_hooks(3))
        assert (env.read("read"), env.read("set_aside")) == (3, 0)


@pytest.mark.parametrize(
    ("module", "place"),
    [(inbox, "_first"), (inbox, "_finish"), (reader, "_store_all"), (reader, "_store_each")],
)
async def test_trouble_of_the_store_at_any_moment_sets_nothing_aside(
    env: InboxEnv, module: ModuleType, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "AFTER_FAILURE_S", 0.02)
    await env.append(*raw_hooks(1))
    await env.caught_up()
    work, troubles = getattr(module, place), [StoreUnavailableError("away")] * 2

    def troubled(*args: Any, **how: Any) -> Any:
        if troubles:
            raise troubles.pop()
        return work(*args, **how)

    monkeypatch.setattr(module, place, troubled)
    await env.append(*raw_hooks(3))  # the first is known already, so that they are kept one by one
    await env.caught_up()
    assert not troubles
    check(env, raw_hooks(3))
    assert (env.read("read"), env.read("doubled"), env.read("set_aside")) == (3, 1, 0)


async def test_trouble_of_the_store_while_hooks_are_kept_one_by_one_sets_nothing_aside(
    env: InboxEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "AFTER_FAILURE_S", 0.02)
    await env.append(*raw_hooks(1))
    await env.caught_up()
    troubles = [StoreUnavailableError("away")] * 2

    def troubled(connection: Connection, arrivals: Sequence[Arrival]) -> None:
        if len(arrivals) == 1 and arrivals[0].delivery.ref == "r2" and troubles:
            raise troubles.pop()
        add_arrivals(connection, arrivals)

    monkeypatch.setattr(reader, "add_arrivals", troubled)
    await env.append(*raw_hooks(3))  # the first is known already, so that they are kept one by one
    await env.caught_up()
    assert not troubles
    check(env, raw_hooks(3))
    assert (env.read("read"), env.read("doubled"), env.read("set_aside")) == (3, 1, 0)


async def test_a_reader_that_is_cut_off_while_it_reads_loses_nothing(
    store_target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = raw_hooks(40)
    async with open_inbox(store_target, is_idle=True) as env:
        for hook in hooks:
            await env.append(hook)
        for _ in range(6):
            env.run()
            await asyncio.sleep(0.004)
            for task in env.running:
                task.cancel()
            await asyncio.wait(env.running)
        env.run()
        await env.caught_up()
        check(env, hooks)
        assert env.read("doubled") == 0


async def test_hooks_are_read_while_hooks_come_in_and_no_fold_is_possible(
    env: InboxEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder has the same throttle; what it cannot do is no matter of the reader's."""
    monkeypatch.setattr(folder.Folder, "_fold_some", _never)
    await env.append(*raw_hooks(3))
    async with asyncio.timeout(10):
        await env.reader.backlog.wait_until_empty()
    assert len(env.rows(DIRTY_TASK)) == len(env.rows(FACT)) == 3


async def _never(_folder: folder.Folder, _most: int) -> None:
    raise StoreUnavailableError("away")


async def test_hooks_are_read_while_another_receiver_folds(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder waits for the other one, and the reader does not wait for the folder."""
    monkeypatch.setattr(folder, "OTHER_FOLDS_S", 3.0)
    target = prepared_database(postgres)
    async with open_inbox(target) as env:
        with other_process(target) as other:
            locks.lock_folding(other)
            for number in range(5):
                await env.append(*raw_hooks(3, 3 * number))
                async with asyncio.timeout(1):
                    await env.reader.backlog.wait_until_empty()
            assert (len(env.rows(FACT)), env.rows(TASK)) == (15, [])
        await env.caught_up()
        check(env, raw_hooks(15))


async def test_a_reader_that_is_to_stop_reads_what_is_left(env: InboxEnv) -> None:
    hooks = raw_hooks(100)
    for hook in hooks:
        await env.append(hook)
    await env.close()
    assert (env.rows(INBOX), len(env.rows(FACT))) == ([], 100)


async def test_two_readers_on_postgresql_share_the_work_and_read_each_hook_once(postgres: str) -> None:
    target, rng = prepared_database(postgres), Random(7)
    hooks = raw_hooks(900)
    async with AsyncExitStack() as stack:
        envs = [await stack.enter_async_context(open_inbox(target)) for _ in range(2)]
        left = list(hooks)
        while left:
            size = rng.randint(1, 12)
            await rng.choice(envs).append(*left[:size])
            left = left[size:]
            for env in envs:
                env.reader.backlog.grow()
        for env in envs * 2:
            await env.caught_up()
        check(envs[0], hooks)
        assert sum(env.read("read") for env in envs) == 900
        assert sum(env.read("doubled") for env in envs) == 0
        assert all(env.read("read") for env in envs)


async def test_two_readers_on_sqlite_keep_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is one receiver on a file; if there are two for a while, as in a restart, nothing is lost."""
    monkeypatch.setattr(backlog, "AFTER_FAILURE_S", 0.02)
    target, hooks = str(tmp_path / "receiver.db"), raw_hooks(200)
    async with open_inbox(target) as one, open_inbox(target) as other:
        for number in range(0, 200, 4):
            await (one, other)[number % 3 == 0].append(*hooks[number : number + 4])
            one.reader.backlog.grow()
            other.reader.backlog.grow()
        for env in (one, other) * 2:
            await env.caught_up()
        check(one, hooks)
        counted = Counter({"read": one.read("read") + other.read("read")})
        assert counted == {"read": 200}
