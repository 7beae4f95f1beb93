"""The sums are compared with the ledger, and put right beside a service."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, update

from receiver.analytics import rollup_repair as recounting
from receiver.analytics.rollup_parts import COUNTS
from receiver.analytics.rollup_repair import adopt_zone, change_zone, recount
from receiver.analytics.tables import CALENDAR, ROLLUP, ROLLUP_DAY
from receiver.domain.facts import Fact
from receiver.errors import StoreError
from receiver.ledger.projections import Difference
from receiver.ledger.rebuild import Comparison
from receiver.tasks.tables import ATTEMPT, TASK
from tests.factories import ACCOUNT, called, finished, gone, hook, queue, seen, settled
from tests.ledger.ledger_env import LedgerEnv
from tests.ledger.projecting import PROJECTOR, rebuild, verify
from tests.ledger.rebuild.sums import added_up, kept
from tests.ledger.rebuild.test_beside_a_service import stream
from tests.ledger.rebuild.world import arrival, tell

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


async def filled(ledger_env: LedgerEnv) -> None:
    await ledger_env.ledger.record(facts())
    check(ledger_env)


def check(ledger_env: LedgerEnv, zone: str = "UTC") -> None:
    """The sums are those of the tasks, and all is what the ledger gives."""
    assert kept(ledger_env.store) == added_up(ledger_env.store, zone)
    assert verify(ledger_env.store) == SOUND


def record(ledger_env: LedgerEnv, *heard: Fact) -> None:
    """What the ledger's thread does with observations."""
    with ledger_env.store.transaction() as connection:
        PROJECTOR.record(connection, heard)


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
async def test_each_damage_to_the_sums_is_found_and_mended(name: str, ledger_env: LedgerEnv) -> None:
    await filled(ledger_env)
    damage, expected = DAMAGES[name]
    await tell(ledger_env, damage)
    differences = verify(ledger_env.store).differences
    assert tables(differences) == expected
    assert {each.problem for each in differences} == {"differs"}
    recount(ledger_env.store)
    check(ledger_env)


async def test_a_difference_says_what_is_kept_and_what_is_right(ledger_env: LedgerEnv) -> None:
    await filled(ledger_env)
    place = {"basis": "created", "slice": "all", "hour": 0, "value": "", "queue_id": "", "retired": False}
    await tell(ledger_env, insert(ROLLUP).values(account="nobody", tasks=3, open=-1, **place))
    (difference,) = verify(ledger_env.store).differences
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
async def test_each_damage_to_an_attempt_is_found_and_mended(name: str, ledger_env: LedgerEnv) -> None:
    await filled(ledger_env)
    record(ledger_env, seen("scheduled", NOW, about=("idle", "77")))
    damage, problem = ATTEMPTS[name]
    await tell(ledger_env, damage)
    (difference,) = verify(ledger_env.store).differences
    assert (difference.table, difference.problem) == ("attempt", problem)
    rebuild(ledger_env.store)
    check(ledger_env)


async def test_attempts_whose_task_is_lost_are_not_in_the_way_of_its_return(ledger_env: LedgerEnv) -> None:
    await filled(ledger_env)
    await tell(
        ledger_env,
        delete(TASK).where(TASK.c.key.in_(["r001", "r002"])),
        insert(ATTEMPT).values(key="r001", **STRAY),
    )
    assert tables(verify(ledger_env.store).differences) == {
        "task",
        "attempt",
        "rollup",
        "rollup_day",
        "task_count",
    }
    rebuild(ledger_env.store)
    check(ledger_env)


async def test_tasks_and_attempts_altered_behind_the_sums_are_mended_with_them(ledger_env: LedgerEnv) -> None:
    await filled(ledger_env)
    await tell(
        ledger_env,
        update(TASK).where(TASK.c.key < "r009").values(state="new", queue_id="77", created_at=5.0),
        delete(ATTEMPT).where(ATTEMPT.c.key > "r006"),
        delete(TASK).where(TASK.c.key == "r013"),
        update(ROLLUP).values(tasks=ROLLUP.c.tasks * 2),
    )
    assert tables(verify(ledger_env.store).differences) == {
        "task",
        "attempt",
        "rollup",
        "rollup_day",
        "task_count",
    }
    rebuild(ledger_env.store)
    check(ledger_env)


async def test_sums_that_are_right_are_left_alone(ledger_env: LedgerEnv) -> None:
    await filled(ledger_env)
    before = ledger_env.rows(ROLLUP), ledger_env.rows(ROLLUP_DAY)
    recount(ledger_env.store)
    assert (ledger_env.rows(ROLLUP), ledger_env.rows(ROLLUP_DAY)) == _without_zeros(*before)
    (row,) = ledger_env.rows(CALENDAR)
    assert (row["zone"], row["phase"], row["complete"]) == ("UTC", 0, True)


def _without_zeros(*tables: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], ...]:
    """Rows in which anything was counted."""
    return tuple([row for row in rows if any(row[name] for name in COUNTS)] for rows in tables)


async def test_many_sums_go_through_the_scratch_file_in_parts(
    ledger_env: LedgerEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, number in (("_PAGE", 5), ("_BATCH", 7), ("_MOST", 3)):
        monkeypatch.setattr(f"receiver.analytics.rollup_check.{name}", number)
    monkeypatch.setattr(recounting, "_FEW", 4)
    await filled(ledger_env)
    await tell(ledger_env, *(damage for damage, _ in DAMAGES.values()))
    recount(ledger_env.store)
    check(ledger_env)


async def test_tasks_with_facts_that_wait_are_compared_as_they_stand(
    ledger_env: LedgerEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receiver.ledger.throttle.Throttle.allows", lambda _: False)
    await filled(ledger_env)
    late = [hook("success", NOW + 9e5, about=about) for about in (("r002", None), ("unheard", None))]
    await ledger_env.accept(*map(arrival, late))
    assert verify(ledger_env.store) == Comparison([], 2)
    await tell(ledger_env, DAMAGES["a sum is altered"][0])
    recount(ledger_env.store)
    assert verify(ledger_env.store) == Comparison([], 2)


async def test_what_is_folded_between_looking_and_putting_right_is_not_undone(ledger_env: LedgerEnv) -> None:
    await filled(ledger_env)
    await tell(ledger_env, *(damage for damage, _ in DAMAGES.values()))
    with after_looking(lambda: record(ledger_env, *MORE)):
        recount(ledger_env.store)
    check(ledger_env)


async def test_of_two_recounts_only_the_later_puts_right_what_both_found(ledger_env: LedgerEnv) -> None:
    await filled(ledger_env)
    await tell(ledger_env, *(damage for damage, _ in DAMAGES.values()))
    with (
        after_looking(lambda: recount(ledger_env.store)),
        pytest.raises(StoreError, match="another recount"),
    ):
        recount(ledger_env.store)
    check(ledger_env)


async def test_a_zone_that_is_changed_while_sums_are_recounted_is_not_taken_for_complete(
    ledger_env: LedgerEnv,
) -> None:
    await filled(ledger_env)
    await tell(ledger_env, DAMAGES["a sum is altered"][0])
    with (
        after_looking(lambda: change_zone(ledger_env.store, MOSCOW, NOW)),
        pytest.raises(StoreError, match="another recount"),
    ):
        recount(ledger_env.store)
    assert not adopt_zone(ledger_env.store, MOSCOW, NOW)
    recount(ledger_env.store)
    assert adopt_zone(ledger_env.store, MOSCOW, NOW)
    check(ledger_env, MOSCOW)


async def test_beside_a_stream_of_hooks_sums_are_put_right(ledger_env: LedgerEnv) -> None:
    await filled(ledger_env)
    enough = asyncio.Event()
    streams = asyncio.gather(*(stream(ledger_env, name, enough) for name in range(2)))
    try:
        for damage, _ in DAMAGES.values():
            await tell(ledger_env, damage)
            await asyncio.to_thread(recount, ledger_env.store)
        await asyncio.to_thread(change_zone, ledger_env.store, KOLKATA, NOW)
        await asyncio.to_thread(recount, ledger_env.store)
    finally:
        enough.set()
    await asyncio.wait_for(streams, 20)
    await asyncio.wait_for(ledger_env.caught_up(), 20)
    check(ledger_env, KOLKATA)
