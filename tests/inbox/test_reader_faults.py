"""A fault of ours stays with its hook, which is set aside and tried again, while its neighbours are read."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection

from receiver.domain.fields import FieldReader, HookFields
from receiver.errors import StoreUnavailableError
from receiver.inbox import reader
from receiver.inbox.inbox import RawHook, encode_batch
from receiver.inbox.tables import INBOX, SET_ASIDE
from receiver.ledger.append import Arrival, add_arrivals
from receiver.ledger.tables import DELIVERY, FACT
from receiver.tasks.tables import TASK
from tests.factories import ACCOUNT
from tests.inbox.inbox_env import AT, InboxEnv, check, open_inbox, raw_hook, raw_hooks, until
from tests.outcomes.delivery_env import SteppedClock

pytestmark = pytest.mark.anyio

NOW = AT + 1_000.0
NUMBER = "79990000001"
LATER_VERSION = encode_batch(raw_hooks(3)).replace(b"\x92\x01", b"\x92\x02", 1)


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(NOW)


@pytest.fixture
async def env(
    store_target: str, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[InboxEnv]:
    """One that looks all the time for what is to be tried again."""
    monkeypatch.setattr(reader, "PEEK_S", 0.02)
    async with open_inbox(store_target, clock=clock) as env:
        yield env


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Queue ids; to read a hook with one of them is beyond us."""
    queues = {"odd"}
    read = FieldReader.read

    def fail(self: FieldReader, pairs: Any) -> HookFields:
        found = read(self, pairs)
        if found.queue_id in queues:
            raise ValueError(f"not a number: {NUMBER}")
        return found

    monkeypatch.setattr(FieldReader, "read", fail)
    return queues


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> set[str | None]:
    """The refs of hooks that the database does not take."""
    refs: set[str | None] = {"r2"}

    def refuse(connection: Connection, arrivals: Sequence[Arrival]) -> None:
        add_arrivals(connection, arrivals)
        if any(each.delivery.ref in refs for each in arrivals):
            raise RuntimeError(f"a value that no column takes: {NUMBER}")

    monkeypatch.setattr(reader, "add_arrivals", refuse)
    return refs


def odd_hook(number: int) -> RawHook:
    return raw_hook(number, f"r{number}", body=b"id=7&queue_id=odd&phone=" + NUMBER.encode())


def aside(env: InboxEnv) -> list[str]:
    return env.column(SET_ASIDE, "id")


@pytest.mark.usefixtures("unreadable")
async def test_a_hook_whose_reading_fails_is_set_aside_alone(env: InboxEnv) -> None:
    hooks = [raw_hook(0, "r0"), odd_hook(1), raw_hook(2, "r2")]
    await env.append(*hooks)
    await env.append(raw_hook(3, "r3"))
    await env.caught_up()
    assert env.column(TASK, "key") == ["r0", "r2", "r3"]
    assert env.rows(INBOX) == []
    (row,) = env.rows(SET_ASIDE)
    problem = row.pop("problem")
    assert row == {
        "id": hooks[1].id,
        "account": ACCOUNT,
        "event": "before",
        "ref": "r1",
        "at": hooks[1].received_at,
        "count": 1,
        "batch": encode_batch([hooks[1]]),
        "failures": 1,
        "retry_at": NOW + 60,
    }
    assert problem.startswith("ValueError in ")
    assert not any(word in problem for word in (NUMBER, "phone", "odd"))
    assert (env.read("read"), env.read("set_aside"), env.read("doubled")) == (3, 1, 0)


async def test_a_hook_that_the_database_refuses_is_set_aside_alone(
    env: InboxEnv, refused: set[str | None]
) -> None:
    hooks = raw_hooks(6)
    await env.append(*hooks[:4])
    await env.append(*hooks[4:])
    await env.caught_up()
    assert env.column(TASK, "key") == ["r0", "r1", "r3", "r4", "r5"]
    assert len(env.rows(FACT)) == len(env.rows(DELIVERY)) == 5
    (row,) = env.rows(SET_ASIDE)
    assert (row["id"], row["ref"], row["failures"]) == (hooks[2].id, "r2", 1)
    assert NUMBER not in row["problem"]
    assert (env.read("read"), env.read("set_aside"), env.read("doubled")) == (5, 1, 0)
    refused.clear()
    await env.reader.retry_all()
    await env.caught_up()
    check(env, hooks)


async def test_a_batch_that_cannot_be_decoded_is_set_aside_whole(env: InboxEnv) -> None:
    await env.append(raw_hook(8, "r8"))
    await env.append_document(LATER_VERSION, count=3)
    await env.append_document(b"no document at all", count=2, at=AT + 1)
    await env.append(raw_hook(9, "r9"))
    await env.caught_up()
    assert env.column(TASK, "key") == ["r8", "r9"]
    first, second = env.rows(SET_ASIDE)
    problem = first.pop("problem")
    number = first["id"].removeprefix("batch-")
    assert number.isdecimal()
    assert first == {
        "id": f"batch-{number}",
        "account": None,
        "event": None,
        "ref": None,
        "at": AT,
        "count": 3,
        "batch": LATER_VERSION,
        "failures": 1,
        "retry_at": NOW + 60,
    }
    assert problem.startswith("BatchError in decode_batch")
    assert (second["batch"], second["count"]) == (b"no document at all", 2)
    assert (env.read("read"), env.read("set_aside", event="unknown")) == (2, 5)


async def test_it_is_tried_again_when_its_time_has_come_and_read_once_it_can_be(
    env: InboxEnv, clock: SteppedClock, unreadable: set[str]
) -> None:
    await env.append(odd_hook(1))
    await env.caught_up()
    for failures, pause in ((1, 60.0), (2, 120.0), (3, 240.0)):
        (row,) = env.rows(SET_ASIDE)
        assert (row["failures"], row["retry_at"]) == (failures, clock.time + pause)
        clock.time += pause - 1
        await asyncio.sleep(0.1)
        assert env.column(SET_ASIDE, "failures") == [failures]
        clock.time += 1
        await until(lambda before=failures: env.column(SET_ASIDE, "failures") == [before + 1])  # type: ignore[misc]
    unreadable.clear()
    clock.time += 480
    await until(lambda: aside(env) == [])
    await until(lambda: env.read("read") == 1)
    await env.caught_up()
    check(env, [odd_hook(1)])
    assert env.column(TASK, "key") == ["r1"]


async def test_retry_all_reads_at_once_what_can_be_read_by_now(env: InboxEnv, unreadable: set[str]) -> None:
    unreadable.add("strange")
    strange = raw_hook(2, "r2", body=b"queue_id=strange")
    await env.append(odd_hook(1), strange)
    await env.append_document(LATER_VERSION, count=3)
    await env.caught_up()
    assert len(aside(env)) == 3
    unreadable.remove("odd")
    await env.reader.retry_all()
    await until(lambda: len(aside(env)) == 2)
    await env.caught_up()
    assert env.column(TASK, "key") == ["r1"]
    assert {row["failures"] for row in env.rows(SET_ASIDE)} == {2}


async def test_a_batch_that_can_be_decoded_one_day_is_read_and_what_fails_of_it_is_set_aside_alone(
    env: InboxEnv, unreadable: set[str], refused: set[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = [raw_hook(0, "r0"), odd_hook(1), raw_hook(2, "r2"), raw_hook(3, "r3")]
    with monkeypatch.context() as older:
        older.setattr("receiver.inbox.inbox.VERSION", 0)
        await env.append_document(encode_batch(hooks).replace(b"\x92\x00", b"\x92\x01", 1), count=4)
        await env.caught_up()
        assert len(aside(env)) == 1
    await env.reader.retry_all()
    await until(lambda: len(aside(env)) == 2)
    await env.caught_up()
    assert aside(env) == [hooks[1].id, hooks[2].id]
    assert [(row["ref"], row["count"], row["failures"]) for row in env.rows(SET_ASIDE)] == [
        ("r1", 1, 1),
        ("r2", 1, 1),
    ]
    assert env.column(TASK, "key") == ["r0", "r3"]
    unreadable.clear()
    refused.clear()
    await env.reader.retry_all()
    await until(lambda: aside(env) == [])
    await env.caught_up()
    check(env, hooks)


async def test_a_hook_that_is_set_aside_and_comes_again_is_there_once(
    env: InboxEnv, unreadable: set[str]
) -> None:
    for _ in range(2):
        await env.append(odd_hook(1))
        await env.caught_up()
    assert aside(env) == [odd_hook(1).id]
    unreadable.clear()
    await env.append(odd_hook(1))
    await env.caught_up()
    await env.reader.retry_all()
    await until(lambda: aside(env) == [])
    await until(lambda: env.read("doubled") == 1)
    check(env, [odd_hook(1)])
    assert env.read("read") == 1


async def test_trouble_of_the_store_while_it_is_tried_again_changes_nothing(
    env: InboxEnv, clock: SteppedClock, unreadable: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await env.append(odd_hook(1))
    await env.caught_up()
    before = env.rows(SET_ASIDE)
    tries = 0

    def away(*_: Any, **__: Any) -> None:
        nonlocal tries
        tries += 1
        raise StoreUnavailableError("away")

    with monkeypatch.context() as troubled:
        troubled.setattr(reader, "_store_again", away)
        clock.time += 60
        await until(lambda: tries > 2)
        assert env.rows(SET_ASIDE) == before
    unreadable.clear()
    await until(lambda: aside(env) == [])
    await until(lambda: env.read("read") == 1)
    await env.caught_up()
    check(env, [odd_hook(1)])


@pytest.mark.usefixtures("unreadable")
async def test_hooks_that_fail_in_every_batch_hold_up_none_of_the_others(env: InboxEnv) -> None:
    good = []
    for number in range(0, 60, 3):
        hooks = raw_hooks(3, number)
        await env.append(hooks[0], odd_hook(number + 1), hooks[2])
        good += [hooks[0], hooks[2]]
    await env.caught_up()
    assert env.column(DELIVERY, "id") == sorted(hook.id for hook in good)
    assert len(aside(env)) == 20
    assert (env.read("read"), env.read("set_aside")) == (40, 20)
