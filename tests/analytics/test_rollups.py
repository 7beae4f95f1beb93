"""The sums follow every change of the tasks, in the transaction that makes it."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.analytics.rollup_repair import adopt_zone
from receiver.analytics.tables import CALENDAR, ROLLUP, ROLLUP_DAY
from receiver.domain.facts import Fact, HookEvent
from receiver.domain.fold import fold
from receiver.domain.task_rows import attempt_rows
from receiver.ledger import folder
from receiver.ledger.append import Arrival
from receiver.storage.engine import Store
from receiver.tasks.tables import ATTEMPT, FINDING, TASK
from tests.domain.strategies import facts_of_one_task
from tests.factories import START, called, delivery, finished, gone, hook, seen, settled
from tests.ledger.ledger_env import LedgerEnv, open_ledger_env
from tests.ledger.rebuild.sums import added_up, kept
from tests.ledger.test_two_ledgers import TASKS, as_it_comes, tell, two_houses
from tests.postgres import prepared_database

ZONES = ("UTC", "Europe/Moscow", "Asia/Kolkata")
NOW = 1_772_357_400.0

HISTORIES = st.tuples(
    facts_of_one_task("r1", "7", linked=True),
    facts_of_one_task("r2", "8", linked=True),
    facts_of_one_task("r3", "9"),
).map(lambda tasks: [as_it_comes(fact) for task in tasks for fact in task])


async def heard(ledger_env: LedgerEnv, facts: Sequence[Fact], together: int = 1) -> None:
    """So many at the same time; hooks as they come in, observations as the API says them."""
    for start in range(0, len(facts), together):
        part = facts[start : start + together]
        hooks = [fact for fact in part if isinstance(fact.payload, HookEvent)]
        observed = [fact for fact in part if not isinstance(fact.payload, HookEvent)]
        rows = [delivery(fact.id, fact.at)._replace(account=fact.account, ref=fact.ref) for fact in hooks]
        arrivals = map(Arrival, rows, hooks)
        await asyncio.gather(*map(ledger_env.accept, arrivals), ledger_env.ledger.record(observed))
    await ledger_env.caught_up()


def check(ledger_env: LedgerEnv, zone: str = "UTC") -> None:
    """The sums are those of the tasks, and these those of the facts."""
    assert kept(ledger_env.store) == added_up(ledger_env.store, zone)
    assert kept(ledger_env.store, retired=True) == ({}, {})
    facts = ledger_env.told_by_the_ledger()
    assert ledger_env.derived() == facts
    _check_attempts(ledger_env)
    _check_counts_of_hooks(ledger_env)


def _check_attempts(ledger_env: LedgerEnv) -> None:
    attempts = ledger_env.rows(ATTEMPT)
    made = Counter((row["account"], row["key"]) for row in attempts)
    assert made == Counter(
        {(row["account"], row["key"]): row["attempts"] for row in ledger_env.rows(TASK) if row["attempts"]}
    )
    assert all(row["number"] <= made[row["account"], row["key"]] for row in attempts)


def _check_counts_of_hooks(ledger_env: LedgerEnv) -> None:
    found: Counter[tuple[str, ...]] = Counter()
    for row in ledger_env.rows(FINDING):
        found[row["account"], row["key"], row["kind"] if row["kind"] == "late" else row["category"]] += row[
            "count"
        ]
    for row in ledger_env.rows(TASK):
        name = row["account"], row["key"]
        assert (row["hooks_late"], row["drifts"]) == (found[*name, "late"], found[*name, "drift"])
        for column, document in (("duplicate", "duplicates"), ("arrived", "arrived"), ("lost", "lost")):
            assert row[f"hooks_{column}"] == sum(row[document].values())


def among_others(facts: list[Fact], rng: Random) -> list[Fact]:
    """In another order, observations among them twice, and some of it of another account too."""
    twice = [fact for fact in rng.choices(facts, k=4) if not isinstance(fact.payload, HookEvent)]
    others = [
        replace(fact, account="other", id=f"other/{fact.id}") for fact in rng.sample(facts, k=len(facts) // 4)
    ]
    told = [*facts, *twice, *others]
    rng.shuffle(told)
    return told


def follow(target: Callable[[], str], facts: list[Fact], seed: int, zone: str) -> None:
    """Tell all of it to a ledger, and compare the sums half-way and in the end."""
    rng = Random(seed)
    told = among_others(facts, rng)

    async def run() -> None:
        async with open_ledger_env(target()) as ledger_env:
            assert adopt_zone(ledger_env.store, zone, NOW)
            for part in (told[: len(told) // 2], told[len(told) // 2 :]):
                await heard(ledger_env, part, together=rng.randint(1, 12))
                check(ledger_env, zone)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("LEAST", "MOST"):
            patch.setattr(folder, name, seed % 5 + 1)
        asyncio.run(run())


@settings(max_examples=settings().max_examples // 12)
@given(facts=HISTORIES, seed=st.integers(0, 2**32), zone=st.sampled_from(ZONES))
def test_after_any_history_the_sums_are_those_of_the_tasks(facts: list[Fact], seed: int, zone: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        follow(lambda: str(Path(folder) / "receiver.db"), facts, seed, zone)


@settings(max_examples=settings().max_examples // 16)
@given(facts=HISTORIES, seed=st.integers(0, 2**32), zone=st.sampled_from(ZONES))
def test_on_postgresql_too(postgres: str, facts: list[Fact], seed: int, zone: str) -> None:
    follow(lambda: prepared_database(postgres), facts, seed, zone)


@settings(max_examples=settings().max_examples // 16)
@given(facts=TASKS, seed=st.integers(0, 2**32))
def test_two_receivers_that_fold_at_the_same_time_keep_the_sums(
    postgres: str, facts: list[Fact], seed: int
) -> None:
    async def run() -> None:
        rng = Random(seed)
        rng.shuffle(facts)
        async with two_houses(prepared_database(postgres), rng) as houses:
            await tell(houses, facts, rng)
            check(houses[0])

    with pytest.MonkeyPatch.context() as patch:
        for name in ("LEAST", "MOST"):
            patch.setattr(folder, name, seed % 5 + 1)
        asyncio.run(run())


@pytest.fixture
async def ledger_env(store_target: str) -> Any:
    async with open_ledger_env(store_target) as ledger_env:
        yield ledger_env


pytestmark = pytest.mark.anyio


async def whole(ledger_env: LedgerEnv, name: str = "tasks") -> dict[str, int]:
    """Queue → one of the sums by creation."""
    hours, days = kept(ledger_env.store)
    found = {
        key[4]: counts[name]
        for key, counts in hours.items()
        if key[:2] == ("created", "all") and name in counts
    }
    assert found == {
        key[3]: counts[name] for key, counts in days.items() if key[0] == "created" and name in counts
    }
    return found


async def test_a_task_moves_to_its_queue_once_that_is_known(ledger_env: LedgerEnv) -> None:
    await heard(ledger_env, [hook("before", START)])
    assert await whole(ledger_env) == {"": 1}
    await heard(ledger_env, [hook("after", START + 9, queue_id="6")])
    assert await whole(ledger_env) == {"6": 1}
    await heard(ledger_env, [finished("failed", START + 10)])
    assert await whole(ledger_env) == {"5": 1}
    check(ledger_env)


async def test_a_task_whose_ref_becomes_known_is_counted_once(ledger_env: LedgerEnv) -> None:
    by_id = (None, "7")
    await heard(ledger_env, [hook("before", START, about=by_id), hook("before", START + 1)])
    assert {row["key"] for row in ledger_env.rows(TASK)} == {"#7", "r1"}
    assert (await whole(ledger_env), await whole(ledger_env, "attempts")) == ({"": 2}, {"": 2})
    await heard(ledger_env, [seen("executed", START + 5)])
    assert {row["key"] for row in ledger_env.rows(ATTEMPT)} == {"r1"}
    assert (await whole(ledger_env), await whole(ledger_env, "attempts")) == ({"5": 1}, {"5": 1})
    check(ledger_env)


async def test_attempts_that_the_api_argues_away_are_counted_no_more(ledger_env: LedgerEnv) -> None:
    again = [hook("before_again", START + 60 * number) for number in range(1, 5)]
    await heard(ledger_env, [hook("before", START), *again, seen("executed", START + 300, try_count=9)])
    assert await whole(ledger_env, "attempts") == {"5": 5}
    await heard(ledger_env, [finished("failed", START + 400, try_count=2)])
    assert [row["number"] for row in ledger_env.rows(ATTEMPT)] == [1, 2]
    assert await whole(ledger_env, "attempts") == {"5": 2}
    check(ledger_env)


async def test_a_start_that_is_nearly_as_planned_is_added_and_taken_away_under_one_name(
    ledger_env: LedgerEnv,
) -> None:
    """-0.0 is written to SQLite, and 0.0 is read."""
    await heard(ledger_env, [seen("executed", START + 1, start_at=START + 0.0002), hook("before", START)])
    assert ledger_env.task()["lateness_s"] == 0
    await heard(ledger_env, [hook("before", START + 2), gone(START + 3)])
    check(ledger_env)


async def test_a_task_that_stays_as_it_was_is_not_written_again(ledger_env: LedgerEnv) -> None:
    facts = [hook("before", START), finished("failed", START + 400), settled(START + 500)]
    await heard(ledger_env, facts)
    before = [ledger_env.rows(table) for table in (ATTEMPT, ROLLUP, ROLLUP_DAY)]
    await heard(ledger_env, [called("unheard", START, found=False), *facts[1:]])
    assert [ledger_env.rows(table) for table in (ATTEMPT, ROLLUP, ROLLUP_DAY)] == before
    check(ledger_env)


async def test_attempts_are_kept_as_they_were_found(ledger_env: LedgerEnv) -> None:
    legs = ({"dest_number": "+79990000001", "result": "answered"}, {"dest_number": "x", "result": "busy"})
    facts = [
        hook("before", START + 0.25),
        hook("before_again", START + 100.125),
        seen("executed", START + 9, cdr="u1", a_number="+79990000001"),
        called("u1", START + 30, result="busy", init_at=START, hangup_at=START + 9, duration=9, legs=legs),
        finished("success", START + 190, cdr="u2"),
        called("u2", START + 200, result="bridged", init_at=START + 100, bridged_duration=30.5),
    ]
    await heard(ledger_env, facts)
    rows = ledger_env.rows(ATTEMPT)
    assert rows == attempt_rows(fold(facts))
    assert [(row["call"], row["b_answered"], row["gap_s"], row["talk_s"]) for row in rows] == [
        ("u1", False, None, None),
        ("u2", True, 100.0, 30.5),
    ]
    check(ledger_env)


async def test_sums_are_kept_by_the_calendar_that_is_adopted_first(ledger_env: LedgerEnv) -> None:
    assert ledger_env.rows(CALENDAR) == []
    assert adopt_zone(ledger_env.store, "UTC", NOW)
    assert ledger_env.rows(CALENDAR) == []
    assert adopt_zone(ledger_env.store, "Asia/Kathmandu", NOW)
    assert adopt_zone(ledger_env.store, "Asia/Kolkata", NOW)
    (row,) = ledger_env.rows(CALENDAR)
    assert (row["zone"], row["phase"], row["complete"]) == ("Asia/Kolkata", 1800, True)
    await heard(ledger_env, [hook("before", START)])
    assert adopt_zone(ledger_env.store, "Asia/Kolkata", NOW)
    assert not adopt_zone(ledger_env.store, "UTC", NOW)
    (row,) = ledger_env.rows(CALENDAR)
    assert row["zone"] == "Asia/Kolkata"
    check(ledger_env, "Asia/Kolkata")


async def test_a_zone_whose_hours_shift_is_counted_by_utcs_hours(ledger_env: LedgerEnv) -> None:
    assert adopt_zone(ledger_env.store, "Australia/Lord_Howe", NOW)
    (row,) = ledger_env.rows(CALENDAR)
    assert row["phase"] == 0
    await heard(
        ledger_env, [hook("before", 1_775_314_800.0)]
    )  # 2026-04-04 15:00 UTC, the day before it shifts
    _, days = kept(ledger_env.store)
    assert {(key[0], key[1].isoformat()) for key in days} == {
        ("created", "2026-04-05"),
        ("planned", "2026-04-05"),
        ("started", "2026-04-05"),
    }


async def test_receivers_that_adopt_zones_at_once_agree_on_one(postgres: str) -> None:
    target = prepared_database(postgres)
    with closing(Store(target)) as one, closing(Store(target)) as other:
        stores = [one, other]
        await asyncio.gather(
            *(
                asyncio.to_thread(adopt_zone, store, zone, NOW)
                for store, zone in zip(stores, ZONES[1:], strict=True)
            )
        )
    async with open_ledger_env(target) as ledger_env:
        (row,) = ledger_env.rows(CALENDAR)
        await heard(ledger_env, [hook("before", START)])
        check(ledger_env, row["zone"])
