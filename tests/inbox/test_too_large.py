"""Names that PostgreSQL does not take, too large or with a zero byte: what bears one is set aside, alone."""

from base64 import b64encode
from random import Random

import pytest

from receiver.inbox.inbox import decode_batch
from receiver.inbox.tables import INBOX, SET_ASIDE
from receiver.ledger.tables import DELIVERY, DIRTY_TASK, FACT
from receiver.tasks.tables import TASK
from tests.inbox.inbox_env import check, open_inbox, raw_hook, raw_hooks, until
from tests.postgres import prepared_database

pytestmark = pytest.mark.anyio

TOO_LARGE = b64encode(Random(1).randbytes(6_000)).decode().replace("+", "-")


async def test_a_ref_that_is_too_large_for_an_index_sets_its_hook_aside_alone(postgres: str) -> None:
    """No URL of ours has one, but another writer of the inbox could. PostgreSQL refuses it when it is
    inserted.
    """
    large = raw_hook(1, TOO_LARGE)
    hooks = raw_hooks(4)
    async with open_inbox(prepared_database(postgres)) as env:
        await env.append(hooks[0], large, *hooks[2:])
        await env.caught_up()
        assert env.column(TASK, "key") == ["r0", "r2", "r3"]
        (row,) = env.rows(SET_ASIDE)
        assert (row["ref"], decode_batch(row["batch"])) == (large.ref, [large])
        assert row["problem"].startswith("StoreError in _store_each")
        assert TOO_LARGE[:5] not in row["problem"]
        await env.reader.retry_all()
        await until(lambda: env.column(SET_ASIDE, "failures") == [2])
        assert not any(task.done() for task in env.running)


@pytest.mark.parametrize("name", ["id", "queue_id", "cdr"])
async def test_a_value_that_is_too_large_for_an_index_is_no_value_and_its_hook_is_kept(
    store_target: str, name: str
) -> None:
    hooks = raw_hooks(4)
    body = f"{name}={TOO_LARGE}&finish_result=failed".encode()
    large = raw_hook(1, "r1", body=body)
    async with open_inbox(store_target) as env:
        await env.append(hooks[0], large, *hooks[2:])
        await env.caught_up()
        assert env.column(TASK, "key") == ["r0", "r1", "r2", "r3"]
        (problem,) = filter(None, env.column(DELIVERY, "problem"))
        assert problem.endswith("is longer than 128 characters")
        assert body in env.column(DELIVERY, "body")
        check(env, [hooks[0], large, *hooks[2:]])


async def test_a_task_id_that_is_too_large_makes_no_task(store_target: str) -> None:
    large = raw_hook(1, None, body=b"id=" + TOO_LARGE.encode())
    async with open_inbox(store_target) as env:
        await env.append(large)
        await env.caught_up()
        assert env.column(DELIVERY, "problem") == ["task_id is longer than 128 characters"]
        assert (env.rows(TASK), env.rows(FACT), env.rows(SET_ASIDE), env.rows(DIRTY_TASK)) == ([], [], [], [])
        assert env.read("set_aside") == 1


async def test_a_ref_that_no_text_column_takes_stops_neither_the_reader_nor_its_neighbours(
    store_target: str,
) -> None:
    """No URL of ours has such a ref, but another writer of the inbox could."""
    async with open_inbox(store_target) as env:
        await env.append(raw_hook(1, "r1"), raw_hook(2, "a\0b"), raw_hook(3, "r3"))
        await env.caught_up()
        assert not any(worker.done() for worker in env.running)
        assert env.rows(INBOX) == []
        assert {"r1", "r3"} <= {row["ref"] for row in env.rows(DELIVERY)}
        kept = {row["id"] for row in (*env.rows(DELIVERY), *env.rows(SET_ASIDE))}
        assert kept == {raw_hook(number).id for number in (1, 2, 3)}
