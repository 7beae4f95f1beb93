"""The sums are compared with the ledger, and put right beside a service."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, update

from receiver import recount as recounting
from receiver.domain.facts import Fact
from receiver.domain.fold import fold
from receiver.domain.rollup import COUNTS
from receiver.errors import StoreError
from receiver.ledger import folding
from receiver.rebuild import Comparison, Difference, rebuild, verify
from receiver.recount import adopt_zone, change_zone, recount
from receiver.store.counted import ATTEMPT, CALENDAR, ROLLUP, ROLLUP_DAY
from receiver.store.tables import TASK
from tests.factories import ACCOUNT, called, finished, gone, hook, queue, seen, settled
from tests.ledger.house import House
from tests.rebuild.sums import added_up, kept
from tests.rebuild.test_beside_a_service import stream
from tests.rebuild.world import arrival, tell

pytestmark = pytest.mark.anyio

SOUND = Comparison([], 0)
NOW = 1_772_357_400.0
MOSCOW, KOLKATA = "Europe/Moscow", "Asia/Kolkata"


def facts() -> list[Fact]:
    """A few tasks of every kind, over three days."""
    said = [queue(900.0)]
    for number in range(24):
        about, at = (f"r{number:03}", str(100 + number)), NOW + 11_000.0 * number
        plan: dict[str, Any] = {"about": about, "queue_id": str(number % 3), "created_at": at - 60}
        said.append(hook("before", at, about=(about[0], None)))
        if number % 2:
            said.append(seen("executed", at + 10, cdr=f"u{number}", extension_id="70", **plan))
            said.append(called(f"u{number}", at + 40, about=about, result="busy", init_at=at, duration=9.0))
        if number % 3:
            result = "success" if number % 4 == 1 else "failed"
            said.append(finished(result, at + 400, try_count=2, cdr=f"v{number}", **plan))
            bridged = {"bridged_at": at + 120, "bridged_duration": 33.25} if result == "success" else {}
            said.append(called(f"v{number}", at + 500, about=about, init_at=at + 100, **bridged))
            said.append(settled(at + 900, about=about))
        if number % 11 == 0:
            said.append(gone(at + 700, about=about))
    return said


async def filled(house: House) -> None:
    await house.ledger.record(facts())
    check(house)


def check(house: House, zone: str = "UTC") -> None:
    """The sums are those of the tasks, and all is what the ledger gives."""
    assert kept(house.store) == added_up(house.store, zone)
    assert verify(house.store) == SOUND


def record(house: House, *heard: Fact) -> None:
    """What the ledger's thread does with observations."""
    with house.store.transaction() as connection:
        folding.record(connection, heard, fold)


MORE = [
    finished("success", NOW + 5e5, about=("r000", "100")),
    hook("before", NOW + 5e5, about=("new", None)),
    seen("executed", NOW + 11_000.0 * 3, about=("r003", "103"), queue_id="9"),
]
"""What changes sums that are there, and makes others."""


@contextmanager
def after_looking(work: Callable[[], object]) -> Iterator[None]:
    """Once, when a recount has found what is wrong and has put nothing right yet, do something."""
    todo, before = [work], vars(recounting)["_find"]

    def found(connection: Connection, turn: int, into: Connection) -> None:
        before(connection, turn, into)
        if todo:
            todo.pop()()

    with pytest.MonkeyPatch.context() as surroundings:
        surroundings.setattr(recounting, "_find", found)
        yield
    assert not todo


def tables(differences: list[Difference]) -> set[str]:
    return {each.table for each in differences}


A_SUM = (ROLLUP.c.slice == "all", ROLLUP.c.basis == "created", ROLLUP.c.queue_id == "1")
A_DAY = (ROLLUP_DAY.c.basis == "finished", ROLLUP_DAY.c.queue_id == "1")
NOWHERE = {"basis": "created", "account": "nobody", "queue_id": "", "retired": False, "tasks": 1}

DAMAGES: dict[str, tuple[Any, set[str]]] = {
    "a sum is altered": (update(ROLLUP).where(*A_SUM).values(tasks=ROLLUP.c.tasks + 1), {"rollup"}),
    "a sum is below zero": (update(ROLLUP).where(*A_SUM).values(talk_ms=-5), {"rollup"}),
    "sums are deleted": (delete(ROLLUP).where(*A_SUM), {"rollup"}),
    "a slice is deleted": (delete(ROLLUP).where(ROLLUP.c.slice == "reason"), {"rollup"}),
    "a sum is added": (insert(ROLLUP).values(**NOWHERE, slice="all", hour=0, value=""), {"rollup"}),
    "a sum is added in an odd place": (
        insert(ROLLUP).values(**NOWHERE, slice="odd", hour=17, value="x"),
        {"rollup"},
    ),
    "a day is altered": (update(ROLLUP_DAY).where(*A_DAY).values(succeeded=99), {"rollup_day"}),
    "days are deleted": (delete(ROLLUP_DAY), {"rollup_day"}),
    "a day is added": (insert(ROLLUP_DAY).values(**NOWHERE, day=3), {"rollup_day"}),
}


@pytest.mark.parametrize("name", DAMAGES)
async def test_each_damage_to_the_sums_is_found_and_mended(name: str, house: House) -> None:
    await filled(house)
    damage, expected = DAMAGES[name]
    await tell(house, damage)
    differences = verify(house.store).differences
    assert tables(differences) == expected
    assert {each.problem for each in differences} == {"differs"}
    recount(house.store)
    check(house)


async def test_a_difference_says_what_is_kept_and_what_is_right(house: House) -> None:
    await filled(house)
    place = {"basis": "created", "slice": "all", "hour": 0, "value": "", "queue_id": "", "retired": False}
    await tell(house, insert(ROLLUP).values(account="nobody", tasks=3, open=-1, **place))
    (difference,) = verify(house.store).differences
    assert difference.key == "created/all/0/nobody///False"
    assert difference.columns == {"tasks": (3, 0), "open": (-1, 0)}


ONE = (ATTEMPT.c.key == "r001", ATTEMPT.c.number == 1)
STRAY = {"account": ACCOUNT, "number": 7}
ATTEMPTS: dict[str, tuple[Any, str]] = {
    "altered": (update(ATTEMPT).where(*ONE).values(talk_s=1.5, bridged=True), "differs"),
    "deleted": (delete(ATTEMPT).where(*ONE), "missing"),
    "one too many": (insert(ATTEMPT).values(key="r001", **STRAY), "not borne out by the ledger"),
    "of a task without any": (insert(ATTEMPT).values(key="idle", **STRAY), "not borne out by the ledger"),
    "of no task": (insert(ATTEMPT).values(key="nobody", **STRAY), "no facts bear this out"),
}


@pytest.mark.parametrize("name", ATTEMPTS)
async def test_each_damage_to_an_attempt_is_found_and_mended(name: str, house: House) -> None:
    await filled(house)
    record(house, seen("scheduled", NOW, about=("idle", "77")))
    damage, problem = ATTEMPTS[name]
    await tell(house, damage)
    (difference,) = verify(house.store).differences
    assert (difference.table, difference.problem) == ("attempt", problem)
    rebuild(house.store)
    check(house)


async def test_attempts_whose_task_is_lost_are_not_in_the_way_of_its_return(house: House) -> None:
    await filled(house)
    await tell(
        house,
        delete(TASK).where(TASK.c.key.in_(["r001", "r002"])),
        insert(ATTEMPT).values(key="r001", **STRAY),
    )
    assert tables(verify(house.store).differences) == {
        "task",
        "attempt",
        "rollup",
        "rollup_day",
        "task_count",
    }
    rebuild(house.store)
    check(house)


async def test_tasks_and_attempts_altered_behind_the_sums_are_mended_with_them(house: House) -> None:
    await filled(house)
    await tell(
        house,
        update(TASK).where(TASK.c.key < "r009").values(state="new", queue_id="77", created_at=5.0),
        delete(ATTEMPT).where(ATTEMPT.c.key > "r006"),
        delete(TASK).where(TASK.c.key == "r013"),
        update(ROLLUP).values(tasks=ROLLUP.c.tasks * 2),
    )
    assert tables(verify(house.store).differences) == {
        "task",
        "attempt",
        "rollup",
        "rollup_day",
        "task_count",
    }
    rebuild(house.store)
    check(house)


async def test_sums_that_are_right_are_left_alone(house: House) -> None:
    await filled(house)
    before = house.rows(ROLLUP), house.rows(ROLLUP_DAY)
    recount(house.store)
    assert (house.rows(ROLLUP), house.rows(ROLLUP_DAY)) == _without_zeros(*before)
    (row,) = house.rows(CALENDAR)
    assert (row["zone"], row["phase"], row["complete"]) == ("UTC", 0, True)


def _without_zeros(*tables: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], ...]:
    """Rows in which anything was counted."""
    return tuple([row for row in rows if any(row[name] for name in COUNTS)] for rows in tables)


async def test_many_sums_go_through_the_scratch_file_in_parts(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, number in (("_PAGE", 5), ("_BATCH", 7), ("_MOST", 3)):
        monkeypatch.setattr(f"receiver.store.recounting.{name}", number)
    monkeypatch.setattr(recounting, "_FEW", 4)
    await filled(house)
    await tell(house, *(damage for damage, _ in DAMAGES.values()))
    recount(house.store)
    check(house)


async def test_tasks_with_facts_that_wait_are_compared_as_they_stand(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receiver.ledger.throttle.Throttle.allows", lambda _: False)
    await filled(house)
    late = [hook("success", NOW + 9e5, about=about) for about in (("r002", None), ("unheard", None))]
    await house.accept(*map(arrival, late))
    assert verify(house.store) == Comparison([], 2)
    await tell(house, DAMAGES["a sum is altered"][0])
    recount(house.store)
    assert verify(house.store) == Comparison([], 2)


async def test_what_is_folded_between_looking_and_putting_right_is_not_undone(house: House) -> None:
    await filled(house)
    await tell(house, *(damage for damage, _ in DAMAGES.values()))
    with after_looking(lambda: record(house, *MORE)):
        recount(house.store)
    check(house)


async def test_of_two_recounts_only_the_later_puts_right_what_both_found(house: House) -> None:
    await filled(house)
    await tell(house, *(damage for damage, _ in DAMAGES.values()))
    with (
        after_looking(lambda: recount(house.store)),
        pytest.raises(StoreError, match="another recount"),
    ):
        recount(house.store)
    check(house)


async def test_a_zone_that_is_changed_while_sums_are_recounted_is_not_taken_for_complete(
    house: House,
) -> None:
    await filled(house)
    await tell(house, DAMAGES["a sum is altered"][0])
    with (
        after_looking(lambda: change_zone(house.store, MOSCOW, NOW)),
        pytest.raises(StoreError, match="another recount"),
    ):
        recount(house.store)
    assert not adopt_zone(house.store, MOSCOW, NOW)
    recount(house.store)
    assert adopt_zone(house.store, MOSCOW, NOW)
    check(house, MOSCOW)


async def test_beside_a_stream_of_hooks_sums_are_put_right(house: House) -> None:
    await filled(house)
    enough = asyncio.Event()
    streams = asyncio.gather(*(stream(house, name, enough) for name in range(2)))
    try:
        for damage, _ in DAMAGES.values():
            await tell(house, damage)
            await asyncio.to_thread(recount, house.store)
        await asyncio.to_thread(change_zone, house.store, KOLKATA, NOW)
        await asyncio.to_thread(recount, house.store)
    finally:
        enough.set()
    await asyncio.wait_for(streams, 20)
    await asyncio.wait_for(house.caught_up(), 20)
    check(house, KOLKATA)
