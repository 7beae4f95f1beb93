"""Names that PostgreSQL does not take, too large or with a zero byte: what bears one is set aside, alone."""

from base64 import b64encode
from random import Random

import pytest

from receiver.inbox.batch import decode_batch
from receiver.store.tables import DELIVERY, DIRTY_TASK, FACT, INBOX, SET_ASIDE, TASK
from tests.inbox.inbox_env import open_inbox, raw_hook, raw_hooks, until
from tests.postgres import prepared_database

pytestmark = pytest.mark.anyio

TOO_LARGE = b64encode(Random(1).randbytes(6_000)).decode().replace("+", "-")


@pytest.mark.parametrize("is_ref", [True, False], ids=["ref", "task id"])
async def test_a_name_that_is_too_large_for_an_index_sets_its_hook_aside_alone(
    postgres: str, is_ref: bool
) -> None:
    """PostgreSQL itself refuses it, and only when it is inserted."""
    large = raw_hook(1, TOO_LARGE) if is_ref else raw_hook(1, None, body=b"id=" + TOO_LARGE.encode())
    hooks = raw_hooks(4)
    async with open_inbox(prepared_database(postgres)) as env:
        await env.append(hooks[0], large, *hooks[2:])
        await env.caught_up()
        assert env.column(TASK, "key") == ["r0", "r2", "r3"]
        (row,) = env.rows(SET_ASIDE)
        assert (row["ref"], decode_batch(row["batch"])) == (large.ref, [large])
        assert row["problem"].startswith("StoreError in _keep_each")
        assert TOO_LARGE[:5] not in row["problem"]
        await env.reader.retry_all()
        await until(lambda: env.column(SET_ASIDE, "failures") == [2])
        assert not any(task.done() for task in env.running)


async def test_a_queue_that_is_too_large_for_an_index_sets_its_task_aside_alone(postgres: str) -> None:
    hooks = raw_hooks(4)
    large = raw_hook(1, "r1", body=b"queue_id=" + TOO_LARGE.encode())
    async with open_inbox(prepared_database(postgres)) as env:
        await env.append(hooks[0], large, *hooks[2:])
        await env.caught_up()
        assert env.column(TASK, "key") == ["r0", "r2", "r3"]
        assert len(env.rows(FACT)) == 4
        (row,) = env.rows(DIRTY_TASK)
        assert (row["name"], row["failures"]) == ("r1", 1)
        assert row["problem"].startswith("StoreError in ")
        assert "translated" not in row["problem"]
        assert TOO_LARGE[:5] not in row["problem"]
        assert env.rows(SET_ASIDE) == []


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
