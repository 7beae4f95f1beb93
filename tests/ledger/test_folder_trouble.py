"""Nothing of one task stops the fold of another, and a fault of the store sets nothing aside."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import closing
from random import Random

import pytest
from sqlalchemy import text

from receiver.ledger import backlog, folder, postponed
from receiver.ledger.tables import DIRTY_TASK
from receiver.storage.engine import Store
from receiver.storage.postgres import is_url
from receiver.tasks.tables import TASK
from tests.inbox.inbox_env import InboxEnv, open_inbox, raw_hook, raw_hooks, until
from tests.postgres import prepared_database

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "AFTER_FAILURE_S", 0.02)
    monkeypatch.setattr(folder, "PEEK_S", 0.05)
    monkeypatch.setattr(postponed, "_FIRST_S", 0.2)


@pytest.fixture
async def env(store_target: str) -> AsyncIterator[InboxEnv]:
    async with open_inbox(store_target) as env:
        yield env


def change(env: InboxEnv, *statements: str) -> None:
    """By somebody else."""
    with closing(Store(env.target)) as other, other.transaction() as connection:
        for statement in statements:
            connection.execute(text(statement))


ON_POSTGRES = (
    "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
    "$$BEGIN IF NEW.key = 'r1' THEN RAISE 'trouble' USING ERRCODE = 'XX000'; END IF; RETURN NEW; END$$",
    "CREATE TRIGGER fail BEFORE INSERT ON task FOR EACH ROW EXECUTE FUNCTION fail()",
)
ON_SQLITE = (
    "CREATE TRIGGER fail BEFORE INSERT ON task WHEN NEW.key = 'r1' "
    "BEGIN SELECT abs(-9223372036854775807 - length(NEW.account) / length(NEW.account)); END",
)


async def test_a_task_over_which_the_store_fails_stops_no_other_and_is_not_set_aside(env: InboxEnv) -> None:
    """Its rows crash the server, say, or it takes too long: from outside that looks as if all were lost."""
    change(env, *(ON_POSTGRES if is_url(env.target) else ON_SQLITE))
    await env.append(*raw_hooks(4))
    await until(lambda: env.column(TASK, "key") == ["r0", "r2", "r3"])
    await env.append(*raw_hooks(8)[4:])
    await until(lambda: len(env.column(TASK, "key")) == 7)
    (row,) = env.rows(DIRTY_TASK)
    assert (row["name"], row["failures"], row["problem"]) == ("r1", 0, None)
    change(env, "DROP TRIGGER fail ON task" if is_url(env.target) else "DROP TRIGGER fail")
    await until(lambda: env.rows(DIRTY_TASK) == [])
    assert len(env.column(TASK, "key")) == 8


@pytest.mark.parametrize("table", ["task", "finding", "outcome", "attempt", "rollup", "link"])
async def test_a_table_that_is_out_of_reach_sets_nothing_aside(env: InboxEnv, table: str) -> None:
    """As after a lost grant, or with a wrong search_path: it is the store's trouble, whatever the task."""
    await env.append(raw_hook(1, "before"))
    await env.caught_up()
    views = "" if is_url(env.target) else "PRAGMA legacy_alter_table = ON; "
    change(env, *f"{views}ALTER TABLE {table} RENAME TO elsewhere".split("; "))
    await env.append(*raw_hooks(40)[2:])
    await asyncio.sleep(0.5)
    assert {row["failures"] for row in env.rows(DIRTY_TASK)} == {0}
    change(env, *f"{views}ALTER TABLE elsewhere RENAME TO {table}".split("; "))
    await until(lambda: env.rows(DIRTY_TASK) == [])
    assert len(env.rows(TASK)) == 39


LENGTHS = [*range(2_600, 2_720, 3), 5_000, 8_180, 20_000]


async def test_ids_of_any_length_stop_no_fold(postgres: str) -> None:
    """Some fit an index of facts and none of tasks, some only one with a shorter account: wherever it is
    found out, it is the fault of that one.
    """
    rng = Random(3)
    async with open_inbox(prepared_database(postgres)) as env:
        long = [b64encode(rng.randbytes(length))[:length].replace(b"+", b"-") for length in LENGTHS]
        hooks = [raw_hook(number, None, body=b"id=" + name) for number, name in enumerate(long, 100)]
        await env.append(*raw_hooks(4), *hooks)
        await until(lambda: {"r0", "r1", "r2", "r3"} <= set(env.column(TASK, "key")))
        await env.append(*raw_hooks(8)[4:])
        await until(lambda: {"r4", "r5", "r6", "r7"} <= set(env.column(TASK, "key")))
        await until(lambda: all(row["failures"] for row in env.rows(DIRTY_TASK)))
        assert not any(task.done() for task in env.running)
