"""Sums are moved to another zone, come from stores that had none, and bear a recount that breaks off."""

from typing import Any

import pytest
from sqlalchemy import inspect, text

from receiver import recount as recounting
from receiver.rebuild import rebuild, verify
from receiver.recount import adopt_zone, change_zone, recount
from receiver.store import schema
from receiver.store.counted import ATTEMPT, CALENDAR, ROLLUP, ROLLUP_DAY
from receiver.store.engine import Store
from receiver.store.relations import drop_views
from receiver.store.tables import DIRTY_TASK, INBOX, SET_ASIDE, TASK
from tests.ledger.house import House
from tests.rebuild.sums import added_up, kept, totals
from tests.rebuild.test_sums import (
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
from tests.rebuild.world import broken, tell
from tests.store.histories import take_back_counts

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("zone", [MOSCOW, KOLKATA, "America/New_York"])
async def test_a_change_of_zone_moves_sums_and_loses_none(zone: str, house: House) -> None:
    await filled(house)
    hours, days = kept(house.store)
    change_zone(house.store, zone, NOW)
    assert tables(verify(house.store).differences) >= {"rollup_day"}
    recount(house.store)
    (row,) = house.rows(CALENDAR)
    assert (row["zone"], row["complete"]) == (zone, True)
    check(house, zone)
    moved = kept(house.store)
    assert (moved[0] == hours, moved[1] == days) == (zone != KOLKATA, False)
    assert totals(*moved) == totals(hours, days)
    change_zone(house.store, "UTC", NOW)
    rebuild(house.store)
    assert kept(house.store) == (hours, days)


async def test_a_change_to_the_zone_that_is_set_changes_nothing(house: House) -> None:
    await filled(house)
    change_zone(house.store, "UTC", NOW)
    assert house.rows(CALENDAR) == []
    check(house)


async def test_a_change_of_zone_that_breaks_off_is_told_and_ended_by_the_next_recount(house: House) -> None:
    await filled(house)
    change_zone(house.store, MOSCOW, NOW)
    assert not adopt_zone(house.store, MOSCOW, NOW), "whoever asks is told that it is not done"
    assert not adopt_zone(house.store, "UTC", NOW)
    with after_looking(broken), pytest.raises(KeyboardInterrupt):
        recount(house.store)
    record(house, *MORE)
    change_zone(house.store, MOSCOW, NOW)
    recount(house.store)
    assert adopt_zone(house.store, MOSCOW, NOW)
    check(house, MOSCOW)


async def test_a_recount_that_breaks_off_half_way_is_right_when_it_is_repeated(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(house)
    await tell(house, *(damage for damage, _ in DAMAGES.values()))
    change_zone(house.store, KOLKATA, NOW)
    monkeypatch.setattr("receiver.store.recounting._BATCH", 7)
    add, left = vars(recounting)["add_sums"], [3]

    def breaking(*args: Any) -> None:
        if not left[0]:
            broken()
        left[0] -= 1
        add(*args)

    with monkeypatch.context() as patch:
        patch.setattr(recounting, "add_sums", breaking)
        with pytest.raises(KeyboardInterrupt):
            recount(house.store)
    assert verify(house.store).differences
    recount(house.store)
    check(house, KOLKATA)


def made_older(store: Store) -> None:
    """As a version without sums has left it, which is upgraded now. In one transaction, so that the folder
    beside it never misses a table.
    """
    with store.transaction() as connection:
        drop_views(connection)
        for table in (ATTEMPT, ROLLUP, ROLLUP_DAY, CALENDAR, INBOX, SET_ASIDE, DIRTY_TASK):
            table.drop(connection)
        connection.execute(text("CREATE TABLE pending (seq BIGINT PRIMARY KEY)"))
        for index in ("task_by_uncounted", "delivery_unplaced"):
            connection.execute(text(f"DROP INDEX {index}"))
        take_back_counts(connection)
        connection.execute(text("ALTER TABLE message DROP COLUMN kept"))
        there = [column["name"] for column in inspect(connection).get_columns("task")]
        for name in there[there.index("created_at") :]:
            connection.execute(text(f"ALTER TABLE task DROP COLUMN {name}"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0005'"))
        assert schema.upgrade(connection)[:2] == ["0006", "0007"]


async def test_a_store_of_a_version_without_sums_gets_them_from_a_rebuild(house: House) -> None:
    await filled(house)
    right = kept(house.store)
    made_older(house.store)
    assert kept(house.store) == ({}, {})
    assert {row["created_at"] for row in house.rows(TASK)} == {None}
    assert tables(verify(house.store).differences) == {"task", "attempt", "rollup", "rollup_day"}
    rebuild(house.store)
    assert kept(house.store) == right
    check(house)


async def test_tasks_of_such_a_store_are_counted_from_when_they_are_folded_again(house: House) -> None:
    await filled(house)
    made_older(house.store)
    assert adopt_zone(house.store, MOSCOW, NOW), "nothing is counted yet"
    record(house, *MORE)
    assert {row["key"] for row in house.rows(TASK) if row["created_at"]} == {"r000", "r003", "new"}
    assert kept(house.store) == added_up(house.store, MOSCOW) != ({}, {})
    recount(house.store)
    assert kept(house.store) == added_up(house.store, MOSCOW)
    rebuild(house.store)
    check(house, MOSCOW)
