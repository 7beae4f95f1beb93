"""The reader: what is in the inbox gets into the ledger, once, whatever happens in between."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection

from receiver.domain.facts import unpack
from receiver.errors import StoreUnavailableError
from receiver.inbox import reader
from receiver.inbox.batch import RawHook
from receiver.ledger import backlog, folder
from receiver.ledger.throttle import Throttle
from receiver.rebuild import Comparison, verify
from receiver.store.engine import Store
from receiver.store.tables import DELIVERY, DIRTY_TASK, FACT, INBOX, SET_ASIDE, TASK
from tests.factories import ACCOUNT
from tests.inbox.inbox_env import InboxEnv, open_inbox, raw_hook, raw_hooks, until
from tests.ledger.house import other_process
from tests.postgres import prepared_database

pytestmark = pytest.mark.anyio


@pytest.fixture
async def env(store_target: str) -> AsyncIterator[InboxEnv]:
    async with open_inbox(store_target) as env:
        yield env


def check(env: InboxEnv, hooks: list[RawHook]) -> None:
    """All these hooks, and nothing else, are in the ledger once, folded; nothing is left to do."""
    assert env.column(DELIVERY, "id") == sorted(hook.id for hook in hooks)
    assert len(env.rows(FACT)) == len(hooks)
    assert (env.rows(INBOX), env.rows(SET_ASIDE), env.rows(DIRTY_TASK)) == ([], [], [])
    with closing(Store(env.target)) as patient:
        assert verify(patient) == Comparison([], 0)
    assert not any(task.done() for task in env.running)


async def test_a_hook_becomes_a_delivery_a_fact_and_a_task(env: InboxEnv) -> None:
    hook = raw_hook(1, body=b"id=7&queue_id=5", query=b"x=%D0%BD")
    await env.append(hook)
    await env.caught_up()
    (row,) = env.rows(DELIVERY)
    assert row == {
        "id": hook.id,
        "account": ACCOUNT,
        "event": "before",
        "ref": "r1",
        "received_at": hook.received_at,
        "method": "POST",
        "query": "x=%D0%BD",
        "headers": [["content-type", "application/x-www-form-urlencoded"]],
        "body": b"id=7&queue_id=5",
        "peer": "192.0.2.1",
        "problem": None,
    }
    (fact,) = env.rows(FACT)
    said: Any = unpack(fact["kind"], fact["said"])
    assert (fact["ref"], fact["task_id"], fact["at"]) == ("r1", None, hook.received_at)
    assert (said.event, said.queue_id, said.readable) == ("before", "5", True)
    assert env.column(TASK, "state") == ["executed"]
    check(env, [hook])
    assert env.read("read") == 1


async def test_a_hook_of_a_fixed_url_is_about_the_task_that_its_payload_names(env: InboxEnv) -> None:
    await env.append(raw_hook(1, None, body=b"id=7"))
    await env.caught_up()
    assert (env.column(FACT, "task_id"), env.column(TASK, "key")) == (["7"], ["#7"])


async def test_a_payload_that_cannot_be_read_is_kept_and_its_hook_counts(env: InboxEnv) -> None:
    json = ((b"content-type", b"application/json"),)
    await env.append(raw_hook(1, body=b"{", headers=json), raw_hook(2, "r2"))
    await env.caught_up()
    assert [row["problem"] is None for row in env.rows(DELIVERY)] == [False, True]
    assert (env.column(TASK, "state"), env.rows(SET_ASIDE)) == (["executed", "executed"], [])
    assert (env.read("unreadable"), env.read("read")) == (1, 1)


async def test_a_hook_that_names_no_task_is_a_delivery_only(env: InboxEnv) -> None:
    await env.append(raw_hook(1, None, body=b"x=1"))
    await env.caught_up()
    assert env.column(DELIVERY, "problem") == ["names no task"]
    assert (env.rows(FACT), env.rows(TASK), env.rows(INBOX)) == ([], [], [])
    assert env.read("set_aside") == 1


async def test_a_body_that_was_cut_says_so(env: InboxEnv) -> None:
    await env.append(raw_hook(1, is_cut=True))
    await env.caught_up()
    assert env.column(DELIVERY, "problem") == ["too large"]
    assert env.read("unreadable") == 1


async def test_many_batches_are_read_in_order_in_few_transactions(store_target: str) -> None:
    async with open_inbox(store_target, is_idle=True) as env:
        hooks = raw_hooks(600)
        for first in range(0, 600, 3):
            await env.append(*hooks[first : first + 3])
        commits = 0

        def counted(work: Callable[[Connection], Any]) -> Callable[[Connection], Any]:
            def run(connection: Connection) -> Any:
                nonlocal commits
                commits += 1
                return work(connection)

            return run

        with pytest.MonkeyPatch.context() as patch:
            finish = reader._keep
            patch.setattr(
                reader, "_keep", lambda *args, **how: counted(lambda _: finish(*args, **how))(args[0])
            )
            env.run()
            await env.caught_up()
        assert commits < 60
        ids = [f"{ACCOUNT}/hook/{hook.id}" for hook in hooks]
        assert [row["id"] for row in sorted(env.rows(FACT), key=lambda row: int(row["seq"]))] == ids
        check(env, hooks)
        assert env.read("read") == 600


async def test_what_one_that_died_has_acknowledged_is_read_by_the_next(store_target: str) -> None:
    hooks = raw_hooks(300)
    async with open_inbox(store_target, is_idle=True) as dead:
        for hook in hooks:
            await dead.append(hook)
    async with open_inbox(store_target) as env:
        await env.caught_up()
        check(env, hooks)


async def test_what_another_one_has_left_while_we_run_is_read_too(
    store_target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "PEEK_S", 0.05)
    async with open_inbox(store_target) as env:
        await env.caught_up()
        async with open_inbox(store_target, is_idle=True) as dead:
            await dead.append(raw_hook(1))
        await until(lambda: env.rows(TASK) != [])
        await env.caught_up()
        check(env, [raw_hook(1)])


async def test_a_hook_that_was_delivered_into_two_batches_is_counted_and_harmless(env: InboxEnv) -> None:
    hooks = raw_hooks(4)
    await env.append(*hooks[:2])
    await env.caught_up()
    await env.append(hooks[1], hooks[2], hooks[2], hooks[3])
    await env.caught_up()
    check(env, hooks)
    assert (env.read("read"), env.read("doubled"), env.read("set_aside")) == (4, 2, 0)
    assert env.column(TASK, "hooks_duplicate") == [0, 0, 0, 0]


async def test_a_batch_that_is_in_the_ledger_as_a_whole_is_only_deleted(env: InboxEnv) -> None:
    hooks = raw_hooks(3)
    for _ in range(2):
        await env.append(*hooks)
        await env.caught_up()
    check(env, hooks)
    assert (env.read("read"), env.read("doubled")) == (3, 3)


async def test_an_empty_batch_is_only_deleted(env: InboxEnv) -> None:
    await env.append()
    await env.caught_up()
    check(env, [])


async def test_while_the_store_is_in_trouble_nothing_is_set_aside_and_later_all_is_read(
    store_target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "AFTER_FAILURE_S", 0.05)
    async with open_inbox(store_target, patience=0.2) as env:
        await env.caught_up()
        with other_process(store_target) as other:
            if env.store.is_shared:
                await env.append(*raw_hooks(3))
                other.exec_driver_sql("LOCK TABLE delivery, inbox")
            else:
                env.reader.backlog.grow()
            await asyncio.sleep(1.0)
            assert not env.reader.backlog.is_empty or not env.store.is_shared
        if not env.store.is_shared:
            await env.append(*raw_hooks(3))
        await env.caught_up()
        check(env, raw_hooks(3))
        assert env.read("set_aside") == 0


@pytest.mark.parametrize("place", ["_keep", "_keep_each", "_first"])
async def test_trouble_of_the_store_at_any_moment_sets_nothing_aside(
    env: InboxEnv, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "AFTER_FAILURE_S", 0.02)
    monkeypatch.setattr(reader, "PEEK_S", 60.0)
    await env.caught_up()
    module: Any = (
        reader if place.startswith("_keep") else __import__("receiver.inbox.inbox", fromlist=["inbox"])
    )
    work, troubles = getattr(module, place), [StoreUnavailableError("away")] * 3

    def troubled(*args: Any, **how: Any) -> Any:
        if troubles:
            raise troubles.pop()
        return work(*args, **how)

    monkeypatch.setattr(module, place, troubled)
    if place == "_keep_each":
        await env.append(*raw_hooks(1))  # read before, so that the next batch is read one by one
        await env.caught_up()
    await env.append(*raw_hooks(3))
    await env.caught_up()
    assert not troubles
    check(env, raw_hooks(3))
    assert (env.read("read"), env.read("set_aside")) == (3, 0)


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


async def test_nothing_is_read_while_the_throttle_allows_no_work(
    env: InboxEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    await env.caught_up()
    monkeypatch.setattr(Throttle, "allows", lambda _: False)
    await env.append(*raw_hooks(3))
    await asyncio.sleep(0.1)
    assert (len(env.rows(INBOX)), env.rows(FACT)) == (1, [])
    assert not env.reader.backlog.is_empty
    monkeypatch.undo()
    await env.caught_up()
    check(env, raw_hooks(3))


async def test_a_reader_that_is_to_stop_reads_what_is_left(env: InboxEnv) -> None:
    hooks = raw_hooks(100)
    for hook in hooks:
        await env.append(hook)
    await env.close()
    assert (env.rows(INBOX), len(env.rows(FACT))) == ([], 100)


async def test_how_full_the_inbox_is_is_right_again_once_all_is_read(env: InboxEnv) -> None:
    for hook in raw_hooks(50):
        await env.append(hook)
    await env.caught_up()
    assert env.inbox.level == (0, 0, None)


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
