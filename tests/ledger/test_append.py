"""Hooks as the reader writes them into the ledger, on both databases."""

import orjson
import pytest
from sqlalchemy import Connection, select

from receiver.domain.facts import Fact, HookEvent, hook_fact
from receiver.errors import StoreError, StoreUnavailableError
from receiver.ledger import fact_sql
from receiver.ledger.append import Arrival, Delivery, add_arrivals, known_deliveries
from receiver.ledger.tables import DELIVERY, DIRTY_TASK, FACT
from receiver.storage.engine import Store
from tests.factories import ACCOUNT

HEADERS = orjson.dumps([["content-type", "text/plain"], ["x-odd", 'a"b\\c é ☃']]).decode()


def arrival(
    name: str, ref: str | None = None, task_id: str | None = None, at: float = 1.5, account: str = ACCOUNT
) -> Arrival:
    """A hook about the task of that name; without one it is only a delivery."""
    problem = None if ref or task_id else "names no task"
    body = b"\x00\xff\xfe'\"\\ \xd0\xbd"
    row = Delivery(name, account, "after", ref, at, "POST", "id=7&a=%00", HEADERS, body, "192.0.2.1", problem)
    said = HookEvent("after", call="c1", task_id="7", result="success", comment='нет "ответа" \\ ☃')
    fact = hook_fact(account, name, at, said, (ref, task_id)) if ref or task_id else None
    return Arrival(row, fact)


def marks(connection: Connection) -> list[tuple[str, str, float]]:
    columns = DIRTY_TASK.c.account, DIRTY_TASK.c.name, DIRTY_TASK.c.since
    return [tuple(row) for row in connection.execute(select(*columns).order_by(*columns))]


def add(store: Store, *arrivals: Arrival) -> None:
    with store.transaction() as connection:
        add_arrivals(connection, arrivals)


def facts(connection: Connection, *keys: str, account: str = ACCOUNT) -> list[Fact]:
    found = fact_sql.facts_of(connection, account, keys)
    return sorted((fact for each in found.values() for fact in each), key=lambda fact: fact.id)


def test_a_delivery_is_kept_byte_for_byte_and_its_fact_as_it_was_read(store: Store) -> None:
    first = arrival("d1", "r1")
    second = arrival("d2", None, "7")._replace(
        delivery=arrival("d2", None, "7").delivery._replace(body=b"", peer=None, query="")
    )
    add(store, first, second)
    with store.snapshot() as connection:
        rows = [dict(row._mapping) for row in connection.execute(select(DELIVERY).order_by(DELIVERY.c.id))]
        expected = [
            each.delivery._asdict() | {"headers": orjson.loads(each.delivery.headers)}
            for each in (first, second)
        ]
        assert rows == expected
        assert facts(connection, "r1", "#7") == [first.fact, second.fact]


def test_each_task_that_is_touched_has_one_mark_with_the_time_of_its_first_hook(store: Store) -> None:
    add(
        store,
        arrival("d1", "r1", at=5.0),
        arrival("d2", "r1", at=6.0),
        arrival("d3", None, "r1", at=7.0),
        arrival("d4", "r1", at=8.0, account="other"),
    )
    with store.snapshot() as connection:
        assert marks(connection) == [(ACCOUNT, "#r1", 7.0), (ACCOUNT, "r1", 5.0), ("other", "r1", 8.0)]
        assert len(facts(connection, "r1", "#r1")) == 3
        assert len(facts(connection, "r1", account="other")) == 1


def test_what_names_no_task_is_a_delivery_and_nothing_else(store: Store) -> None:
    add(store, arrival("d1"), arrival("d2", "r1"))
    with store.snapshot() as connection:
        assert len(connection.execute(select(DELIVERY)).all()) == 2
        assert [row.id for row in connection.execute(select(FACT))] == [f"{ACCOUNT}/hook/d2"]
        assert marks(connection) == [(ACCOUNT, "r1", 1.5)]


def test_without_hooks_nothing_is_added(store: Store) -> None:
    add(store)
    with store.snapshot() as connection:
        assert marks(connection) == []


def test_a_hook_that_is_there_already_is_refused_with_all_that_came_with_it(store: Store) -> None:
    add(store, arrival("d1", "r1"))
    with pytest.raises(StoreError) as caught:
        add(store, arrival("d0", "r0"), arrival("d1", "r1"), arrival("d2", "r2"))
    assert not isinstance(caught.value, StoreUnavailableError)
    with store.snapshot() as connection:
        assert connection.scalars(select(DELIVERY.c.id)).all() == ["d1"]
        assert len(facts(connection, "r0", "r1", "r2")) == 1
        assert marks(connection) == [(ACCOUNT, "r1", 1.5)]


def test_known_deliveries_are_those_that_are_there(store: Store) -> None:
    add(store, arrival("d1", "r1"), arrival("d2"))
    with store.snapshot() as connection:
        assert known_deliveries(connection, ["d1", "d2", "d3", "", "d' OR 1"]) == {"d1", "d2"}
        assert known_deliveries(connection, []) == set()


def test_many_are_added_at_once_in_their_order(store: Store) -> None:
    count = 2_500
    add(store, *(arrival(f"d{number:05}", f"r{number % 100}", at=float(number)) for number in range(count)))
    with store.snapshot() as connection:
        assert len(marks(connection)) == 100
        by_seq = select(FACT.c.id).order_by(FACT.c.seq)
        ids = [f"{ACCOUNT}/hook/d{number:05}" for number in range(count)]
        assert connection.scalars(by_seq).all() == ids
        assert len(connection.execute(select(DELIVERY.c.id)).all()) == count
