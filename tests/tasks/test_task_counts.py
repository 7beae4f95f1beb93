"""Counts of tasks and findings are kept with each fold, so that gauges need no look at all tasks."""

import random
from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import delete, text, update

from receiver.domain.facts import Fact
from receiver.domain.fold import fold
from receiver.maintenance.retention import RetentionRules
from receiver.maintenance.table_gauges import count_tables
from receiver.reconcile import due_sql
from receiver.storage.bulk import is_postgres
from receiver.storage.engine import Store
from receiver.tasks import task_counts
from receiver.tasks.tables import TASK_COUNT
from tests.factories import ACCOUNT, START, finished, hook, seen, settled
from tests.ledger.projecting import drop_tasks, put_tasks, rebuild, verify
from tests.maintenance.histories import add_counts, take_back_counts
from tests.maintenance.lives import DAY, arrival, days_ago, life, live, prune, tell
from tests.storage.test_query_plans import overheard, plans

pytestmark = pytest.mark.anyio


def put(store: Store, *lives: list[Fact]) -> None:
    with store.transaction() as connection:
        put_tasks(connection, [fold(facts) for facts in lives])


def counts(store: Store) -> dict[tuple[str, str, str], int]:
    with store.snapshot() as connection:
        assert task_counts.differences(connection) == {}
        return {(what, name, value): number for what, name, value, number in task_counts.counts(connection)}


def test_a_fold_moves_a_task_from_count_to_count(store: Store) -> None:
    put(store, [seen("executed", START)], [hook("before", START, about=("r2", None))])
    assert counts(store) == {
        ("state", "5", "executed"): 1,
        ("state", "", "executed"): 1,
        ("due", "progress", ""): 1,
        ("due", "find", ""): 1,
    }
    lossy = [finished("failed", START + 9), settled(START + 400)]
    put(store, lossy)
    lost = sum(fold(lossy).hooks.lost.values())
    after = counts(store)
    assert after["state", "5", "finished"] == 1
    assert ("due", "progress", "") not in after
    assert (
        sum(number for (what, name, _), number in after.items() if (what, name) == ("finding", "lost_hook"))
        == lost
    )
    with store.transaction() as connection:
        drop_tasks(connection, ACCOUNT, ["r1", "r2"])
    assert counts(store) == {}


@pytest.mark.parametrize("seed", range(5))
def test_counts_are_right_after_any_history(store: Store, seed: int) -> None:
    rng = random.Random(seed)
    said: list[Callable[..., Fact]] = [
        partial(hook, "before"), partial(hook, "after"), partial(seen, "executed"),
        partial(finished, "failed"), partial(finished, "success"), settled,
    ]  # fmt: skip
    heard: dict[str, list[Fact]] = {f"r{number}": [] for number in range(8)}
    for _ in range(30):
        refs = rng.sample(sorted(heard), rng.randint(1, 4))
        for ref in refs:
            heard[ref].append(rng.choice(said)(START + rng.randint(0, 900), about=(ref, f"9{ref}")))
        put(store, *(heard[ref] for ref in refs))
        if rng.random() < 0.2:
            with store.transaction() as connection:
                drop_tasks(connection, ACCOUNT, rng.sample(sorted(heard), 2))
        counts(store)


async def test_what_retention_deletes_is_counted_no_more(store: Store) -> None:
    await live(store, life("old", "1", days_ago(31)), life("young", "2", days_ago(2)))
    await prune(store, RetentionRules(tasks=30 * DAY))
    assert counts(store)["state", "5", "finished"] == 1


async def test_wrong_counts_are_named_and_put_right(store: Store) -> None:
    await live(store, life("r1", "1", days_ago(3)), life("r2", "2", days_ago(2)))
    right = counts(store)
    with store.transaction() as connection:
        connection.execute(delete(TASK_COUNT).where(TASK_COUNT.c.what == "finding"))
        connection.execute(update(TASK_COUNT).values(number=7))
        connection.execute(
            TASK_COUNT.insert().values(account="x", what="due", name="find", value="", number=3)
        )
    assert {each.table for each in verify(store).differences} == {"task_count"}
    rebuild(store)
    assert verify(store).differences == []
    assert counts(store) == right


def test_the_oldest_wait_is_found_also_where_it_was_asked_about_in_vain(store: Store) -> None:
    put(
        store,
        *([seen("executed", START + number, about=(f"r{number}", str(number)))] for number in range(1, 5)),
        [hook("before", START + 50, about=("r9", None))],
    )
    with store.transaction() as connection:
        oldest = task_counts.due_since(connection)
        rows = connection.execute(due_sql.due_tasks(ACCOUNT, "progress", START + 9_000, 2)).all()
        due_sql.delay(
            connection, ACCOUNT, [due_sql.Delay(row, row.due_at + 5_000, row.asks + 1) for row in rows]
        )
        assert task_counts.due_since(connection) == oldest
        plain = connection.execute(text("SELECT due_for, min(due_at) FROM task GROUP BY due_for"))
        assert oldest == {purpose: at for purpose, at in plain}  # noqa: C416 - rows are no tuples


def test_what_a_snapshot_shows_is_read_without_a_look_at_all_tasks_or_findings(store: Store) -> None:
    put(
        store,
        [seen("executed", START)],
        [finished("failed", START, about=("r3", "9")), settled(START + 400, about=("r3", "9"))],
    )
    with store.transaction() as connection:
        if is_postgres(connection):
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # as with tables that are large
        with overheard(connection) as heard:
            counted = count_tables(connection)
        assert counted.tasks["5", "executed"] == 1
        about = [each for each in heard if " task " in each[0] or "finding" in each[0]]
        if is_postgres(connection):
            told = [
                line
                for sql, parameters in about
                for line in connection.exec_driver_sql(f"EXPLAIN {sql}", parameters).scalars()
            ]
            assert [line for line in told if "Seq Scan" in line] == []
            assert any("using task_by_oldest" in line for line in told)
        else:
            assert sorted(plans(connection, about)) == [
                "SEARCH task USING COVERING INDEX task_by_due (account=? AND due_for=? AND ask_at>?)",
                "SEARCH task USING INDEX task_by_oldest (due_for=?)",
            ]


async def test_an_upgrade_counts_what_is_there(store: Store) -> None:
    await live(store, life("r1", "1", days_ago(3)), life("r2", "2", days_ago(2)))
    await tell(store, [arrival(("r4", None), "before", days_ago(1))])
    right = counts(store)
    with store.transaction() as connection:
        take_back_counts(connection)
        add_counts(connection)
    assert counts(store) == right
