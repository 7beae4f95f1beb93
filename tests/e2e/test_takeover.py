"""Two receivers on one PostgreSQL share the accounts; one is killed and the other takes over."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import SECRET, Town
from tests.e2e.watch import labelled
from tests.postgres import prepared_database

ACCOUNTS = {"main", "second"}


@pytest.fixture
def towns(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Town, Town]]:
    """One emulator, one database, and two receivers, which are not started yet."""
    monkeypatch.setenv("RECEIVER_LEASE_S", "2")
    first = Town(tmp_path / "first", faults="none", store=prepared_database(postgres))
    second = Town(tmp_path / "second", store=first.store)
    try:
        for town in (first, second):
            town.folder.mkdir()
        first.start_emulator()
        second.join(first)
        # Another name of the same account: two leases are enough to be shared.
        names = {"BASE_URL": f"{first.emulator_url}/api/ver1.0", "CLIENT_ID": "10001"}
        names |= {"OAUTH_CLIENT_ID": "app", "OAUTH_CLIENT_SECRET": SECRET}
        for name, value in names.items():
            monkeypatch.setenv(f"RECEIVER_ACCOUNTS__SECOND__{name}", value)
        yield first, second
    finally:
        second.stop()
        first.stop()


LEASES = {*(f"reconcile:{account}" for account in ACCOUNTS), "delivery"}


def held(town: Town) -> set[str]:
    values = labelled(town.served, "callback_lease_held")
    assert values.keys() == LEASES
    return {lease for lease, value in values.items() if value}


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_accounts_of_a_receiver_that_was_killed_are_reconciled_by_the_other(
    towns: tuple[Town, Town],
) -> None:
    first, second = towns
    first.start_receiver()
    until(lambda: held(first) == LEASES)
    second.start_receiver()
    until(lambda: {len(held(first)), len(held(second))} == {1, 2})
    assert held(first) | held(second) == LEASES
    first.kill_receiver()
    until(lambda: held(second) == LEASES)
    name = "callback_reconcile_last_success_timestamp_seconds"
    until(lambda: labelled(second.served, name).keys() == ACCOUNTS)
