"""Sums are moved to another zone, come from stores that had none, and bear a recount that breaks off."""

from typing import Any

import pytest
from sqlalchemy import text

from receiver.analytics import rollup_repair as recounting
from receiver.analytics.rollup_repair import adopt_zone, change_zone, recount
from receiver.analytics.tables import CALENDAR
from receiver.analytics.view_sql import drop_views
from receiver.maintenance import schema
from receiver.storage.engine import Store
from receiver.tasks.tables import TASK
from tests.ledger.ledger_env import LedgerEnv
from tests.ledger.projecting import rebuild, verify
from tests.ledger.rebuild.sums import added_up, kept, totals
from tests.ledger.rebuild.test_sums import (
    DAMAGES,
    KOLKATA,
    MORE,
    MOSCOW,
    NOW,
    after_looking,
    check,
    filled,
    record,
    tables,
)
from tests.ledger.rebuild.world import broken, tell
from tests.maintenance.histories import take_back

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("zone", [MOSCOW, KOLKATA, "America/New_York"])
async def test_a_change_of_zone_moves_sums_and_loses_none(zone: str, ledger_env: LedgerEnv) -> None:
    await filled(ledger_env)
    hours, days = kept(ledger_env.store)
    change_zone(ledger_env.store, zone, NOW)
    assert tables(verify(ledger_env.store).differences) >= {"rollup_day"}
    recount(ledger_env.store)
    (row,) = ledger_env.rows(CALENDAR)
    assert (row["zone"], row["complete"]) == (zone, True)
    check(ledger_env, zone)
    moved = kept(ledger_env.store)
    assert (moved[0] == hours, moved[1] == days) == (zone != KOLKATA, False)
    assert totals(*moved) == totals(hours, days)
    change_zone(ledger_env.store, "UTC", NOW)
    rebuild(ledger_env.store)
    assert kept(ledger_env.store) == (hours, days)


async def test_a_change_to_the_zone_that_is_set_changes_nothing(ledger_env: LedgerEnv) -> None:
    await filled(ledger_env)
    change_zone(ledger_env.store, "UTC", NOW)
    assert ledger_env.rows(CALENDAR) == []
    check(ledger_env)


async def test_a_change_of_zone_that_breaks_off_is_told_and_ended_by_the_next_recount(
    ledger_env: LedgerEnv,
) -> None:
    await filled(ledger_env)
    change_zone(ledger_env.store, MOSCOW, NOW)
    assert not adopt_zone(ledger_env.store, MOSCOW, NOW), "whoever asks is told that it is not done"
    assert not adopt_zone(ledger_env.store, "UTC", NOW)
    with after_looking(broken), pytest.raises(KeyboardInterrupt):
        recount(ledger_env.store)
    record(ledger_env, *MORE)
    change_zone(ledger_env.store, MOSCOW, NOW)
    recount(ledger_env.store)
    assert adopt_zone(ledger_env.store, MOSCOW, NOW)
    check(ledger_env, MOSCOW)


async def test_a_recount_that_breaks_off_half_way_is_right_when_it_is_repeated(
    ledger_env: LedgerEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(ledger_env)
    await tell(ledger_env, *(damage for damage, _ in DAMAGES.values()))
    change_zone(ledger_env.store, KOLKATA, NOW)
    monkeypatch.setattr("receiver.analytics.rollup_check._BATCH", 7)
    add, left = vars(recounting)["add_sums"], [3]

    def breaking(*args: Any) -> None:
        if not left[0]:
            broken()
        left[0] -= 1
        add(*args)

    with monkeypatch.context() as patch:
        patch.setattr(recounting, "add_sums", breaking)
        with pytest.raises(KeyboardInterrupt):
            recount(ledger_env.store)
    assert verify(ledger_env.store).differences
    recount(ledger_env.store)
    check(ledger_env, KOLKATA)


def made_older(store: Store) -> None:
    """As a version without sums has left it, which is upgraded now. In one transaction, so that the folder
    beside it never misses a table.
    """
    with store.transaction() as connection:
        drop_views(connection)
        connection.execute(text("CREATE TABLE pending (seq BIGINT PRIMARY KEY)"))
        take_back(connection, "0005")
        assert schema.upgrade(connection)[:2] == ["0006", "0007"]


async def test_a_store_of_a_version_without_sums_gets_them_from_a_rebuild(ledger_env: LedgerEnv) -> None:
    await filled(ledger_env)
    right = kept(ledger_env.store)
    made_older(ledger_env.store)
    assert kept(ledger_env.store) == ({}, {})
    assert {row["created_at"] for row in ledger_env.rows(TASK)} == {None}
    assert tables(verify(ledger_env.store).differences) == {"task", "attempt", "rollup", "rollup_day"}
    rebuild(ledger_env.store)
    assert kept(ledger_env.store) == right
    check(ledger_env)


async def test_tasks_of_such_a_store_are_counted_from_when_they_are_folded_again(
    ledger_env: LedgerEnv,
) -> None:
    await filled(ledger_env)
    made_older(ledger_env.store)
    assert adopt_zone(ledger_env.store, MOSCOW, NOW), "nothing is counted yet"
    record(ledger_env, *MORE)
    assert {row["key"] for row in ledger_env.rows(TASK) if row["created_at"]} == {"r000", "r003", "new"}
    assert kept(ledger_env.store) == added_up(ledger_env.store, MOSCOW) != ({}, {})
    recount(ledger_env.store)
    assert kept(ledger_env.store) == added_up(ledger_env.store, MOSCOW)
    rebuild(ledger_env.store)
    check(ledger_env, MOSCOW)
