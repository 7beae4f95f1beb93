"""Deliveries that are read again: what they say with today's mapping, added to what they said before."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import pytest

from receiver.domain.facts import unpack
from receiver.domain.fields import DEFAULT_ALIASES, FieldReader
from receiver.errors import StoreError, StoreUnavailableError
from receiver.inbox import rereader as module
from receiver.inbox.inbox import RawHook
from receiver.inbox.reading import read_hook
from receiver.inbox.rereader import Rereader, RereadPart, Selection
from receiver.ledger.rebuild import Comparison
from receiver.ledger.reread import add_readings
from receiver.ledger.tables import DELIVERY, DIRTY_TASK, FACT
from receiver.storage.engine import Store
from receiver.tasks.tables import FINDING, TASK
from tests.factories import ACCOUNT
from tests.inbox.inbox_env import AT, InboxEnv, open_inbox, raw_hook
from tests.ledger.projecting import verify

pytestmark = pytest.mark.anyio

RIGHT = FieldReader(DEFAULT_ALIASES | {"task_id": ("Nummer",), "result": ("Ergebnis",)})
WRONG = FieldReader(DEFAULT_ALIASES | {"task_id": ("Ergebnis",)})


@pytest.fixture
async def env(store_target: str) -> AsyncIterator[InboxEnv]:
    async with open_inbox(store_target) as env:
        yield env


def fixed(number: int, event: str = "after", body: bytes = b"", **changes: Any) -> RawHook:
    """A hook at the account's fixed URL."""
    return raw_hook(number, None, event=event, body=body, **changes)


async def came(env: InboxEnv, *hooks: RawHook) -> None:
    """These hooks come, are read and folded."""
    await env.append(*hooks)
    await env.caught_up()


async def read_again(
    env: InboxEnv,
    fields: FieldReader = RIGHT,
    selection: Selection | None = None,
    *,
    is_dry: bool = False,
) -> Counter[str]:
    """What changes, or would, by kind; once it is folded."""
    kinds: Counter[str] = Counter()
    for outcome in await outcomes(env, fields, selection or Selection(), is_dry=is_dry):
        assert outcome.failed == 0
        kinds.update(change.kind for change in outcome.changes)
    env.folder.backlog.grow()
    await env.caught_up()
    return kinds


async def outcomes(
    env: InboxEnv, fields: FieldReader, selection: Selection, *, is_dry: bool
) -> list[RereadPart]:
    rereading = Rereader(env.store, fields, env.clock, is_dry=is_dry)
    return [outcome async for outcome in rereading.parts(selection)]


def check(env: InboxEnv) -> None:
    """The tables are what the ledger gives, and nothing is left to fold."""
    assert env.rows(DIRTY_TASK) == []
    with closing(Store(env.target)) as patient:
        assert verify(patient) == Comparison([], 0)


def states(env: InboxEnv) -> dict[str, str]:
    return {row["key"]: row["state"] for row in env.rows(TASK)}


async def test_a_delivery_that_named_no_task_becomes_a_fact(env: InboxEnv) -> None:
    hook = fixed(1, body=b"Nummer=7&Ergebnis=failed")
    await came(env, hook)
    assert (env.rows(FACT), env.column(DELIVERY, "problem")) == ([], ["names no task"])
    assert await read_again(env) == {"placed": 1}
    (fact,) = env.rows(FACT)
    said: Any = unpack(fact["kind"], fact["said"])
    assert (fact["kind"], fact["id"]) == ("reread", f"{ACCOUNT}/hook/{hook.id}.r1")
    assert (fact["task_id"], fact["at"], said.result) == ("7", hook.received_at, "failed")
    assert env.column(DELIVERY, "problem") == [None]
    (task,) = env.rows(TASK)
    assert (task["key"], task["finish_result"], task["first_at"]) == ("#7", "failed", hook.received_at)
    check(env)


async def test_each_event_of_a_request_with_several_becomes_a_fact(env: InboxEnv) -> None:
    body = b'[{"Nummer": "7", "Ergebnis": "failed"}, {"Nummer": "8", "Ergebnis": "success"}]'
    await came(env, fixed(1, body=body))
    assert env.rows(FACT) == []
    assert await read_again(env) == {"placed": 1}
    assert await read_again(env) == {}
    assert sorted((row["key"], row["finish_result"]) for row in env.rows(TASK)) == [
        ("#7", "failed"),
        ("#8", "success"),
    ]
    check(env)


async def test_to_read_again_twice_adds_nothing(env: InboxEnv) -> None:
    await came(env, fixed(1, body=b"Nummer=7"), raw_hook(2, body=b"Ergebnis=failed"), raw_hook(3, body=b""))
    assert await read_again(env) == {"placed": 1, "changed": 1}
    before = env.rows(FACT), env.rows(DELIVERY), env.rows(TASK)
    assert await read_again(env) == {}
    assert (env.rows(FACT), env.rows(DELIVERY), env.rows(TASK)) == before
    check(env)


async def test_a_field_that_was_not_known_is_read_and_the_hook_came_once(env: InboxEnv) -> None:
    await came(env, raw_hook(1, event="after", body=b"Ergebnis=failed"))
    assert env.column(TASK, "finish_result") == [None]
    assert await read_again(env) == {"changed": 1}
    (task,) = env.rows(TASK)
    assert task["finish_result"] == "failed"
    assert (task["arrived"]["after"], task["duplicates"]["after"]) == (1, 0)
    check(env)


async def test_a_hook_that_was_read_as_another_task_moves_and_leaves_no_task_behind(env: InboxEnv) -> None:
    await came(env, fixed(1, "before", b"id=99&Nummer=7"), fixed(2, "after", b"id=98&Nummer=7"))
    assert states(env) == {"#98": "finished", "#99": "executed"}
    assert await read_again(env) == {"moved": 2}
    assert states(env) == {"#7": "finished", "#98": "withdrawn", "#99": "withdrawn"}
    assert env.column(TASK, "due_for") == ["confirm", None, None]
    check(env)


async def test_a_hook_that_names_no_task_any_more_is_withdrawn_and_may_come_back(env: InboxEnv) -> None:
    await came(env, fixed(1, "before", b"id=99"))
    assert await read_again(env) == {"withdrawn": 1}
    assert (states(env), env.column(DELIVERY, "problem")) == ({"#99": "withdrawn"}, ["names no task"])
    assert await read_again(env) == {}
    check(env)
    assert await read_again(env, FieldReader()) == {"placed": 1}
    assert (states(env), env.column(DELIVERY, "problem")) == ({"#99": "executed"}, [None])
    check(env)


async def test_each_change_of_the_mapping_is_a_reading_of_its_own(env: InboxEnv) -> None:
    await came(env, fixed(1, "after", b"id=1&Nummer=2&Ergebnis=3"))
    for fields, key in ((RIGHT, "#2"), (WRONG, "#3"), (FieldReader(), "#1"), (RIGHT, "#2")):
        await read_again(env, fields)
        assert [key for key, state in states(env).items() if state != "withdrawn"] == [key]
        check(env)
    assert max(env.column(FACT, "id")).endswith(".r4.1")


async def test_a_payload_that_could_not_be_read_is_cured(
    env: InboxEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    await came(env, raw_hook(1, body=b"<not a form>"))
    assert [row["kind"] for row in env.rows(FINDING)] == ["unreadable"]
    rows = env.rows(DELIVERY)
    with env.store.transaction() as connection:  # as if a later version could read it
        connection.execute(DELIVERY.update().values(body=b"Ergebnis=failed"))
    assert rows[0]["problem"] is not None
    assert await read_again(env) == {"changed": 1}
    assert (env.column(DELIVERY, "problem"), env.rows(FINDING)) == ([None], [])
    check(env)


async def test_a_body_that_was_cut_off_stays_too_large(env: InboxEnv) -> None:
    await came(env, raw_hook(1, body=b"id=7", is_cut=True), fixed(2, body=b"x=7", is_cut=True))
    assert env.column(DELIVERY, "problem") == ["too large", "too large"]
    assert await read_again(env, FieldReader()) == {}
    assert env.column(DELIVERY, "problem") == ["too large", "too large"]


async def test_a_rehearsal_tells_what_would_change_and_writes_nothing(env: InboxEnv) -> None:
    await came(env, fixed(1, body=b"Nummer=7"), fixed(2, body=b"id=9"), raw_hook(3, body=b"Ergebnis=busy"))
    before = env.rows(FACT), env.rows(DELIVERY), env.rows(TASK)
    told = await read_again(env, is_dry=True)
    assert (env.rows(FACT), env.rows(DELIVERY), env.rows(TASK)) == before
    assert told == {"placed": 1, "withdrawn": 1, "changed": 1}
    assert await read_again(env) == told


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), {1, 2, 3}),
        (Selection(account="other"), {3}),
        (Selection(since=AT + 2), {2, 3}),
        (Selection(until=AT + 2), {1}),
        (Selection(problem="any"), {1, 3}),
        (Selection(problem="none"), {2}),
        (Selection(problem="names no task"), {1, 3}),
        (Selection(problem="too large"), set()),
    ],
)
async def test_only_what_was_chosen_is_read_again(
    env: InboxEnv, selection: Selection, expected: set[int]
) -> None:
    await came(
        env,
        fixed(1, body=b"Nummer=1"),
        fixed(2, body=b"id=9&Nummer=2"),
        fixed(3, body=b"Nummer=3", account="other"),
    )
    await read_again(env, selection=selection)
    assert {int(row["task_id"]) for row in env.rows(FACT) if row["kind"] == "reread"} == expected


async def test_many_deliveries_are_read_in_parts_each_once(
    env: InboxEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS", 3)
    await came(env, *(fixed(number, body=b"Nummer=5%d" % number, received_at=AT) for number in range(1, 9)))
    parts = await outcomes(env, RIGHT, Selection(), is_dry=True)
    assert [part.read for part in parts] == [3, 3, 2]
    assert await read_again(env) == {"placed": 8}
    check(env)


async def test_two_who_read_again_at_once_add_each_fact_once(store_target: str) -> None:
    async with open_inbox(store_target) as one, open_inbox(store_target, is_idle=True) as other:
        await came(one, *(fixed(number, body=b"Nummer=5%d" % number) for number in range(40)))
        kinds = await asyncio.gather(read_again(one), outcomes(other, RIGHT, Selection(), is_dry=False))
        changed = kinds[0].total() + sum(len(outcome.changes) for outcome in kinds[1])
        assert (changed, len(one.rows(FACT))) == (40, 40)
        one.folder.backlog.grow()
        await one.caught_up()
        check(one)


async def test_hooks_that_come_meanwhile_are_folded_with_what_was_read_again(env: InboxEnv) -> None:
    await came(env, *(fixed(number, "before", b"Nummer=5%d" % number) for number in range(60)))
    reading = asyncio.create_task(read_again(env))
    for number in range(60):
        await env.append(fixed(100 + number, "after", b"id=5%d" % number))
    assert (await reading)["placed"] >= 60
    env.folder.backlog.grow()
    await env.caught_up()
    assert {row["state"] for row in env.rows(TASK) if row["arrived"]["before"]} == {"finished"}
    check(env)


async def test_a_delivery_that_fails_is_left_as_it_was_and_counted(
    env: InboxEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    await came(env, fixed(1, body=b"Nummer=1"), fixed(2, body=b"Nummer=2"))

    def fails(hook: RawHook, fields: FieldReader) -> Any:
        if b"1" in hook.body:
            raise RuntimeError("a fault of ours")
        return read_hook(hook, fields)

    monkeypatch.setattr(module, "read_hook", fails)
    (outcome,) = await outcomes(env, RIGHT, Selection(), is_dry=False)
    assert (outcome.read, outcome.failed, len(outcome.changes)) == (2, 1, 1)
    assert env.column(DELIVERY, "problem") == ["names no task", None]


async def test_a_delivery_that_the_store_does_not_take_stops_no_other(
    env: InboxEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    await came(env, *(fixed(number, body=b"Nummer=5%d" % number) for number in range(3)))

    def fails(connection: Any, rereads: Any, now: float) -> Any:
        if any(b"51" in reread.delivery.body for reread in rereads):
            raise StoreError("not this row")
        return add_readings(connection, rereads, now)

    monkeypatch.setattr(module, "add_readings", fails)
    (outcome,) = await outcomes(env, RIGHT, Selection(), is_dry=False)
    assert (outcome.failed, len(outcome.changes)) == (1, 2)


async def test_while_another_receiver_folds_for_too_long_it_is_given_up(
    env: InboxEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    await came(env, fixed(1, body=b"Nummer=1"))
    monkeypatch.setattr(module, "_MOST_WAIT_S", 0.1)
    monkeypatch.setattr(module, "add_readings", lambda *_, **__: None)
    with pytest.raises(StoreUnavailableError, match="folding for too long"):
        await outcomes(env, RIGHT, Selection(), is_dry=False)
