"""Thousands of subscriptions: what did not change is not read again, and who has nothing due is not asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, delete, event, insert

from receiver.outcomes import claim_sql, subscription_sql
from receiver.outcomes.subscription_cache import SubscriptionCache
from receiver.outcomes.tables import MESSAGE, OUTCOME, SUBSCRIPTION
from receiver.storage.engine import Store
from tests.factories import subscription

NOW = 5_000.0


@contextmanager
def statements(connection: Connection) -> Iterator[list[str]]:
    """The statements that are executed in the block."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(connection, "before_cursor_execute", note)


def add(connection: Connection, *names: str, **changes: Any) -> None:
    connection.execute(insert(SUBSCRIPTION), [subscription(name, **changes) for name in names])


def changes(cache: SubscriptionCache, connection: Connection) -> tuple[list[str], set[str]]:
    found = cache.read(connection)
    return [each.row.id for each in found.changed], set(found.removed)


def test_only_what_changed_is_read(store: Store) -> None:
    cache = SubscriptionCache()
    with store.transaction() as connection:
        add(connection, "a", "b", "c")
        assert changes(cache, connection) == (["a", "b", "c"], set())
        with statements(connection) as seen:
            assert changes(cache, connection) == ([], set())
        assert len(seen) == 1
        subscription_sql.change(connection, "b", {"state": "paused", "updated_at": NOW})
        assert changes(cache, connection) == (["b"], set())
        subscription_sql.disable(connection, "a", "gone", NOW)
        connection.execute(delete(SUBSCRIPTION).where(SUBSCRIPTION.c.id == "c"))
        assert changes(cache, connection) == ([], {"a", "c"})


def test_a_change_at_the_same_moment_or_by_a_clock_behind_is_seen(store: Store) -> None:
    cache = SubscriptionCache()
    with store.transaction() as connection:
        add(connection, "a", updated_at=NOW)
        add(connection, *(f"other {number}" for number in range(9_000)), updated_at=1.8e9)
        changes(cache, connection)
        for at in (NOW, NOW, NOW - 100):
            subscription_sql.change(connection, "a", {"concurrency": 7, "updated_at": at})
            assert changes(cache, connection) == (["a"], set())


def test_the_subscriptions_of_an_account_are_those_that_name_it_or_none(store: Store) -> None:
    cache = SubscriptionCache()
    with store.transaction() as connection:
        add(connection, "all")
        add(connection, "mine", filter={"accounts": ["main", "north"]})
        add(connection, "theirs", filter={"accounts": ["south"]})
        cache.read(connection)
        names = {account: [each.id for each in cache.of_account(account)] for account in ("main", "south")}
        assert names == {"main": ["all", "mine"], "south": ["all", "theirs"]}
        subscription_sql.change(connection, "all", {"filter": {"accounts": ["south"]}, "updated_at": NOW})
        cache.read(connection)
        assert [each.id for each in cache.of_account("main")] == ["mine"]


def messages(rng: Random, number: int) -> list[dict[str, Any]]:
    row = {"outcome_seq": 1, "body_seq": 1, "account": "main", "key": "r1", "made_at": NOW, "attempts": 0}
    return [
        row
        | {
            "subscription": f"s{rng.randrange(12):02}",
            "replay": replay,
            "state": rng.choice(["waiting", "held", "dead", "delivered"]),
            "due_at": NOW + rng.choice([-1, 0, 1, 9_000]),
            "claimed_until": rng.choice([None, None, NOW - 1, NOW, NOW + 1]),
        }
        for replay in range(number)
    ]


def is_due(row: dict[str, Any]) -> bool:
    is_free = row["claimed_until"] is None or row["claimed_until"] <= NOW
    return row["state"] in ("waiting", "held") and row["due_at"] <= NOW and is_free


@pytest.mark.parametrize("number", [0, 1, 10, 60])
def test_due_subscriptions_are_those_with_a_message_that_can_be_claimed(store: Store, number: int) -> None:
    outcome = {"account": "main", "key": "r1", "type": "task.finished", "number": 0, "id": "e", "seq": 1}
    outcome |= {"result": "success", "at": NOW, "told_at": NOW, "data": "{}"}
    for seed in range(5):
        rows = messages(Random(seed), number)
        with store.transaction() as connection:
            for table in (MESSAGE, OUTCOME):
                connection.execute(delete(table))
            connection.execute(insert(OUTCOME), [outcome])
            if rows:
                connection.execute(insert(MESSAGE), rows)
            found = claim_sql.due_subscriptions(connection, NOW)
        assert found == sorted({row["subscription"] for row in rows if is_due(row)})
