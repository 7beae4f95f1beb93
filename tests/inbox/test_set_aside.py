"""The table of hooks that are set aside, on both databases."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Connection, Row, select

from receiver.inbox import set_aside_sql
from receiver.inbox.inbox import encode_batch
from receiver.inbox.reading import Unread, unread
from receiver.inbox.tables import SET_ASIDE
from receiver.storage.engine import Store
from tests.factories import ACCOUNT
from tests.inbox.inbox_env import AT, raw_hook

NOW = AT + 1_000.0


@pytest.fixture
def connection(store: Store) -> Iterator[Connection]:
    """A transaction in an empty store."""
    with store.transaction() as connection:
        yield connection


def rows(connection: Connection) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in connection.execute(select(SET_ASIDE).order_by(SET_ASIDE.c.id))]


def batch(name: str, count: int = 3) -> Unread:
    """A batch that cannot be decoded."""
    return Unread(name, AT, count, b"no document", "BatchError in decode_batch")


def due(connection: Connection, now: float, most: int = 100) -> list[str]:
    return [row.id for row in set_aside_sql.due(connection, now, most)]


def test_a_hook_is_kept_as_it_came_with_what_its_url_said(connection: Connection) -> None:
    hook = raw_hook(1, None, body=b"\x00\xff", event="after")
    set_aside_sql.add(connection, [unread(hook, "ValueError in read_hook, line 80")], NOW)
    assert rows(connection) == [
        {
            "id": hook.id,
            "account": ACCOUNT,
            "event": "after",
            "ref": None,
            "at": hook.received_at,
            "count": 1,
            "batch": encode_batch([hook]),
            "failures": 1,
            "retry_at": NOW + 60,
            "problem": "ValueError in read_hook, line 80",
        }
    ]


def test_a_batch_is_kept_whole_without_what_its_hooks_would_say(connection: Connection) -> None:
    set_aside_sql.add(connection, [batch("batch-7")], NOW)
    (row,) = rows(connection)
    assert (row["id"], row["count"], row["batch"]) == ("batch-7", 3, b"no document")
    assert (row["account"], row["event"], row["ref"]) == (None, None, None)


def test_one_that_is_set_aside_again_is_there_once(connection: Connection) -> None:
    first, second = (unread(raw_hook(1), problem) for problem in ("first", "second"))
    set_aside_sql.add(connection, [first], NOW)
    set_aside_sql.add(connection, [batch("batch-7"), second], NOW + 5)
    assert [(row["id"], row["problem"], row["retry_at"]) for row in rows(connection)] == [
        (raw_hook(1).id, "second", NOW + 65),
        ("batch-7", "BatchError in decode_batch", NOW + 65),
    ]


def test_the_pause_doubles_with_each_failure_up_to_six_hours(connection: Connection) -> None:
    set_aside_sql.add(connection, [batch("one"), batch("other")], NOW)
    pauses = []
    for failures in range(1, 40):
        one, other = rows(connection)
        assert (one["failures"], other["failures"]) == (failures, 1)
        pauses.append(one["retry_at"] - NOW)
        row = next(row for row in set_aside_sql.due(connection, one["retry_at"], 9) if row.id == "one")
        set_aside_sql.failed_again(connection, row, f"failure {failures + 1}", NOW)
    assert pauses[:4] == [60.0, 120.0, 240.0, 480.0]
    assert pauses[8:] == [60.0 * 2**8, *[6 * 3600.0] * 30]
    assert [row["problem"] for row in rows(connection)] == ["failure 40", "BatchError in decode_batch"]


def test_those_whose_time_came_first_are_due_first(connection: Connection) -> None:
    for number, name in enumerate(("c", "a", "b")):
        set_aside_sql.add(connection, [batch(name)], NOW + number)
    assert due(connection, NOW + 59) == []
    assert due(connection, NOW + 60) == ["c"]
    assert due(connection, NOW + 62) == ["c", "a", "b"]
    assert due(connection, NOW + 62, most=2) == ["c", "a"]
    row: Row[Any] = set_aside_sql.due(connection, NOW + 60, 1)[0]
    assert (row.id, row.at, row.hooks, row.batch, row.failures) == ("c", AT, 3, b"no document", 1)


def test_one_that_has_been_read_is_gone_and_no_other(connection: Connection) -> None:
    set_aside_sql.add(connection, [batch("a"), batch("b")], NOW)
    set_aside_sql.done(connection, "a")
    set_aside_sql.done(connection, "z")
    assert [row["id"] for row in rows(connection)] == ["b"]


def test_one_that_is_tried_again_is_nobody_elses_meanwhile(store: Store, store_target: str) -> None:
    with store.transaction() as connection:
        set_aside_sql.add(connection, [batch("a"), batch("b")], NOW)
    with closing(Store(store_target)) as other, store.transaction() as connection:
        assert set_aside_sql.take(connection, "a")
        assert not set_aside_sql.take(connection, "z")
        if store.is_shared:  # with one writer nobody else can ask
            with other.transaction() as theirs:
                assert not set_aside_sql.take(theirs, "a")
                assert set_aside_sql.take(theirs, "b")


@pytest.mark.anyio
async def test_all_can_be_made_due_however_many_there_are(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_aside_sql, "AT_ONCE", 3)
    for count in (0, 7, 9):
        names = [f"h{number}" for number in range(count)]
        await store.write(lambda it, names=names: set_aside_sql.add(it, map(batch, names), NOW))  # type: ignore[misc]
        await set_aside_sql.retry_all(store)
        assert sorted(await store.read(lambda it: due(it, 0.0))) == names
