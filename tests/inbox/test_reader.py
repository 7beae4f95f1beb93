"""The reader: what is in the inbox gets into the ledger, once, whatever happens in between."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Connection

from receiver.domain.facts import unpack
from receiver.inbox import reader
from receiver.inbox.reading import HookReadings
from receiver.inbox.tables import INBOX, SET_ASIDE
from receiver.ledger.tables import DELIVERY, FACT
from receiver.ledger.throttle import Throttle
from receiver.tasks.tables import TASK
from tests.factories import ACCOUNT
from tests.inbox.inbox_env import InboxEnv, check, open_inbox, raw_hook, raw_hooks, until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def env(store_target: str) -> AsyncIterator[InboxEnv]:
    async with open_inbox(store_target) as env:
        yield env


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


async def test_many_batches_are_read_in_order_in_few_transactions(
    store_target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    transactions: list[int] = []
    keep = reader._store_all

    def noted(connection: Connection, reading: HookReadings, now: float) -> None:
        transactions.append(len(reading.arrivals))
        keep(connection, reading, now)

    monkeypatch.setattr(reader, "_store_all", noted)
    hooks = raw_hooks(600)
    async with open_inbox(store_target, is_idle=True) as env:
        for first in range(0, 600, 3):
            await env.append(*hooks[first : first + 3])
        env.run()
        await env.caught_up()
        assert sum(transactions) == 600
        assert len(transactions) < 60
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


async def test_how_full_the_inbox_is_is_right_again_once_all_is_read(env: InboxEnv) -> None:
    for hook in raw_hooks(50):
        await env.append(hook)
    await env.caught_up()
    assert env.inbox.level == (0, 0, None)
