"""A batch of hooks over which the store fails stops the reading of no other."""

from collections.abc import AsyncIterator
from contextlib import closing

import pytest
from sqlalchemy import text

from receiver.inbox import reader
from receiver.inbox.tables import INBOX, SET_ASIDE
from receiver.ledger import backlog, postponed
from receiver.ledger.tables import DELIVERY
from receiver.storage.engine import Store
from receiver.storage.postgres import is_url
from tests.inbox.inbox_env import InboxEnv, check, open_inbox, raw_hook, raw_hooks, until

pytestmark = pytest.mark.anyio

ON_POSTGRES = (
    "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
    "$$BEGIN IF NEW.ref = 'r1' THEN RAISE 'trouble' USING ERRCODE = 'XX000'; END IF; RETURN NEW; END$$",
    "CREATE TRIGGER fail BEFORE INSERT ON delivery FOR EACH ROW EXECUTE FUNCTION fail()",
)
ON_SQLITE = (
    "CREATE TRIGGER fail BEFORE INSERT ON delivery WHEN NEW.ref = 'r1' "
    "BEGIN SELECT abs(-9223372036854775807 - length(NEW.account) / length(NEW.account)); END",
)


@pytest.fixture
async def env(store_target: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[InboxEnv]:
    monkeypatch.setattr(backlog, "AFTER_FAILURE_S", 0.02)
    monkeypatch.setattr(reader, "PEEK_S", 0.05)
    monkeypatch.setattr(postponed, "_FIRST_S", 0.2)
    async with open_inbox(store_target) as env:
        yield env


def change(env: InboxEnv, *statements: str) -> None:
    """By somebody else."""
    with closing(Store(env.target)) as other, other.transaction() as connection:
        for statement in statements:
            connection.execute(text(statement))


async def test_others_are_read_meanwhile_and_it_is_read_later(env: InboxEnv) -> None:
    hooks = raw_hooks(6)
    change(env, *(ON_POSTGRES if is_url(env.target) else ON_SQLITE))
    for hook in hooks:
        await env.append(hook)
    await until(lambda: env.column(DELIVERY, "ref") == ["r0", "r2", "r3", "r4", "r5"])
    await env.append(raw_hook(7, "r7"))
    await until(lambda: "r7" in env.column(DELIVERY, "ref"))
    assert (len(env.rows(INBOX)), env.rows(SET_ASIDE)) == (1, [])
    change(env, "DROP TRIGGER fail ON delivery" if is_url(env.target) else "DROP TRIGGER fail")
    await until(lambda: env.rows(INBOX) == [])
    await env.caught_up()
    check(env, [*hooks, raw_hook(7, "r7")])
