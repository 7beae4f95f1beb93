"""A receiver's turn: what it does to the leases, on each of the databases."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Table, select, update

from receiver.errors import StoreUnavailableError
from receiver.maintenance.schema import create_tables
from receiver.storage.engine import Store
from receiver.storage.leases import LEASE, PRESENCE, LeaseRenewal, LeaseTable, renew
from receiver.storage.postgres import is_url
from tests.postgres import prepared_database

ALL = ("a", "b")


def turn(store: Store, receiver: str, **given: Any) -> LeaseTable:
    usual: dict[str, Any] = {"eligible": ALL, "held": (), "lease_s": 60.0, "now": time.time()}
    renewal = LeaseRenewal(receiver, **usual | given)
    with store.transaction() as connection:
        return renew(connection, renewal)


def pass_time(store: Store, seconds: float) -> None:
    """All that is written down happened so much earlier."""
    with store.transaction() as connection:
        for table in (LEASE, PRESENCE):
            connection.execute(update(table).values(expires_at=table.c.expires_at - seconds))


def rows(store: Store, table: Table) -> list[tuple[Any, ...]]:
    with store.snapshot() as connection:
        return [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]


def holders(store: Store) -> dict[str, str]:
    return {name: holder for name, holder, _ in rows(store, LEASE)}


def test_what_is_free_is_taken_at_once(store: Store) -> None:
    assert turn(store, "x").holders == holders(store) == {"a": "x", "b": "x"}


def test_what_is_held_is_not_taken(store: Store) -> None:
    turn(store, "x")
    assert turn(store, "y") == LeaseTable({"a": "x", "b": "x"}, {"x": list(ALL), "y": list(ALL)})


def test_a_lease_is_held_for_a_life_from_its_last_renewal_on(store: Store) -> None:
    turn(store, "x")
    pass_time(store, 50)
    turn(store, "x", held=ALL)
    pass_time(store, 50)
    assert turn(store, "y", eligible=("a",)).holders == {"a": "x", "b": "x"}


def test_what_was_not_renewed_is_taken_over(store: Store) -> None:
    turn(store, "x")
    pass_time(store, 61)
    assert turn(store, "y") == LeaseTable({"a": "y", "b": "y"}, {"y": list(ALL)})
    assert turn(store, "x", held=ALL).held_by("x") == set(), "it comes back too late"


def test_who_comes_back_before_anybody_took_over_goes_on(store: Store) -> None:
    turn(store, "x")
    pass_time(store, 61)
    assert turn(store, "x", held=ALL).held_by("x") == set(ALL)


def test_what_is_not_held_any_more_is_free_for_others_at_once(store: Store) -> None:
    turn(store, "x", eligible=("a", "b", "c", "d"))
    assert turn(store, "y", eligible=("c", "d")).held_by("y") == set()
    assert turn(store, "x", held=("a", "b")).held_by("x") == {"a", "b"}
    assert turn(store, "y", eligible=("c", "d")).held_by("y") == {"c", "d"}


def test_who_stops_takes_nothing_and_leaves_nothing(store: Store) -> None:
    turn(store, "x")
    assert turn(store, "x", eligible=(), held=("a",)) == LeaseTable({"a": "x"}, {})
    assert turn(store, "x", eligible=()) == LeaseTable({}, {})
    assert rows(store, LEASE) == rows(store, PRESENCE) == []


def test_who_is_alone_does_not_wait_for_a_dead_one(store: Store) -> None:
    turn(store, "x")
    assert turn(store, "y", is_alone=True) == LeaseTable({"a": "y", "b": "y"}, {"y": list(ALL)})


def test_postgresql_tells_the_time_itself(store_target: str) -> None:
    """Receivers' own clocks may differ by more than a life."""
    with closing(Store(store_target)) as store:
        create_tables(store)
        turn(store, "x", now=1000.0)
        expected = time.time() + 60 if is_url(store_target) else 1060.0
        for _, _, expires_at in (*rows(store, LEASE), *rows(store, PRESENCE)):
            assert expires_at == pytest.approx(expected, abs=20)


@pytest.fixture
def stores(store_target: str) -> Iterator[list[Store]]:
    """Several receivers' stores on one database."""
    opened = [Store(store_target) for _ in range(4)]
    create_tables(opened[0])
    yield opened
    for store in opened:
        store.close()


def test_turns_at_the_same_time_leave_each_lease_with_one(stores: list[Store]) -> None:
    together, rounds = (
        threading.Barrier(len(stores)),
        [[f"{n}{letter}" for letter in "abcd"] for n in range(9)],
    )

    def run(number: int) -> list[set[str]]:
        held = []
        for leases in rounds:
            together.wait(20)
            held.append(turn(stores[number], str(number), eligible=leases).held_by(str(number)))
        return held

    with ThreadPoolExecutor(len(stores)) as pool:
        by_round = list(zip(*pool.map(run, range(len(stores))), strict=True))
    for leases, held in zip(rounds, by_round, strict=True):
        assert sorted(lease for some in held for lease in some) == leases


def test_a_receiver_that_freezes_in_its_turn_does_not_hold_the_others_up(postgres: str) -> None:
    target = prepared_database(postgres)
    with closing(Store(target, timeout_s=0.3)) as frozen, closing(Store(target, timeout_s=5.0)) as other:
        boards: list[LeaseTable] = []

        def freeze() -> None:
            with frozen.transaction() as connection:
                renew(connection, LeaseRenewal("x", ALL, (), 60.0, 0.0))
                boards.append(turn(other, "y"))

        with pytest.raises(StoreUnavailableError):
            freeze()
        assert [board.held_by("y") for board in boards] == [set(ALL)]
