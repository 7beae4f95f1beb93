"""What is deleted by age and kind, and what has to stay."""

from collections import Counter
from contextlib import aclosing, closing

import pytest
from sqlalchemy import insert, select, update

from receiver.domain.facts import HookEvent, TaskSnapshot, hook_fact, observation
from receiver.ledger import dirty
from receiver.ledger.dirty import DirtyTask
from receiver.ledger.tables import LINK
from receiver.maintenance import retention
from receiver.maintenance.retention import MOST_ROWS, Pruning, RetentionRules
from receiver.outcomes.tables import MESSAGE, SUBSCRIPTION
from receiver.storage import locks
from receiver.storage.engine import Store
from tests.factories import ACCOUNT, About, delivery, subscription
from tests.ledger.projecting import PROJECTOR, rebuild, verify
from tests.maintenance.lives import (
    DAY,
    NOW,
    arrival,
    days_ago,
    delivery_ids,
    dirty_tasks,
    keys,
    life,
    live,
    prune,
    rows,
    tell,
)
from tests.postgres import prepared_database

pytestmark = pytest.mark.anyio

BOTH = RetentionRules(deliveries=5 * DAY, set_aside=5 * DAY, tasks=30 * DAY)


async def test_deliveries_go_by_age_and_their_facts_and_what_is_set_aside_stay(store: Store) -> None:
    old, young = arrival(("r1", None), "before", days_ago(6)), arrival(("r1", None), "after", days_ago(4))
    aside = arrival((None, None), "before", days_ago(9))
    await tell(store, [old, young, aside])
    assert await prune(store, RetentionRules(deliveries=5 * DAY)) == {"delivery": 1}
    assert delivery_ids(store) == {young.delivery.id, aside.delivery.id}
    assert rows(store) == {"delivery": 2, "fact": 2, "link": 0, "finding": 0, "task": 1}


async def test_what_names_no_task_goes_by_its_own_age(store: Store) -> None:
    old, young = (arrival((None, None), "before", days_ago(days)) for days in (6, 4))
    unreadable = arrival(("r1", None), "before", days_ago(6))
    unreadable = unreadable._replace(delivery=unreadable.delivery._replace(problem="not JSON"))
    await tell(store, [old, young, unreadable])
    assert await prune(store, RetentionRules(set_aside=5 * DAY)) == {"set_aside": 1}
    assert delivery_ids(store) == {young.delivery.id, unreadable.delivery.id}


async def test_a_settled_task_goes_as_a_whole_once_it_is_old(store: Store) -> None:
    await live(
        store,
        life("old", "1", days_ago(31)),
        life("young", "2", days_ago(29)),
        life("old", "1", days_ago(29), account="other"),
    )
    by_id, begun = (
        arrival((None, "1"), "after", days_ago(32)),
        arrival(("young", None), "before", days_ago(99)),
    )
    await tell(store, [by_id, begun, arrival(("open", None), "before", days_ago(99))])
    deleted = await prune(store, RetentionRules(tasks=30 * DAY))
    assert deleted == {
        "task": 1,
        "attempt": 2,
        "fact": 6,
        "delivery": 4,
        "finding": 1,
        "link": 1,
        "outcome": 6,
    }
    assert keys(store) == {"young", "open", "old"}
    assert rows(store) == {"delivery": 8, "fact": 12, "link": 2, "finding": 2, "task": 3}
    assert verify(store).differences == []


async def test_a_delivery_of_several_events_goes_with_the_first_of_its_tasks(store: Store) -> None:
    both = arrival(("old", None), "before", days_ago(90))
    assert both.fact
    further = hook_fact(ACCOUNT, f"{both.delivery.id}.1", days_ago(90), HookEvent("before"), ("young", None))
    await tell(store, [both._replace(more=(further,))])
    await live(store, life("old", "1", days_ago(29)), life("young", "2", days_ago(31)))
    assert (await prune(store, RetentionRules(tasks=30 * DAY)))["task"] == 1
    assert keys(store) == {"old"}
    assert both.delivery.id not in delivery_ids(store)
    assert verify(store).differences == []


async def test_a_dirty_task_keeps_its_facts_and_deliveries_until_it_is_folded(store: Store) -> None:
    await live(store, life("r1", "1", days_ago(40)))
    late = [arrival(("r1", None), "after", days_ago(35), 7), arrival((None, "1"), "after", days_ago(35), 8)]
    await tell(store, late, folded=False)
    before = rows(store)
    keep = RetentionRules(deliveries=30 * DAY, set_aside=DAY, tasks=30 * DAY)
    assert await prune(store, keep) == {}
    assert rows(store) == before
    assert delivery_ids(store) >= {each.delivery.id for each in late}
    assert dirty_tasks(store) == {"r1", "#1"}
    await tell(store)
    assert (await prune(store, keep))["task"] == 1
    assert set(rows(store).values()) == {0}


@pytest.mark.parametrize("about", [("r1", None), (None, "1")])
async def test_a_fact_that_is_not_folded_yet_keeps_its_delivery_and_its_task(
    store: Store, about: About
) -> None:
    """Under either name of the task; deliveries of the other name's facts may go, since these are folded."""
    await live(store, life("r1", "1", days_ago(40)))
    late = arrival(about, "after", days_ago(35), 7)
    await tell(store, [late], folded=False)
    assert set(await prune(store, BOTH)) <= {"delivery"}
    assert late.delivery.id in delivery_ids(store)
    assert rows(store)["task"] == 1
    assert rows(store)["fact"] == 6


async def test_a_task_known_by_its_id_is_kept_while_it_is_dirty_and_is_its_refs_once_that_is_known(
    store: Store,
) -> None:
    _, settled = life("x", "1", days_ago(40))
    await tell(store, (), [observation(ACCOUNT, fact.at, fact.payload, (None, "1")) for fact in settled])
    await tell(store, [arrival((None, "1"), "before", days_ago(40))], folded=False)
    assert await prune(store, RetentionRules(tasks=30 * DAY)) == {}
    await tell(store, (), [observation(ACCOUNT, days_ago(1), TaskSnapshot("executed"), ("r1", "1"))])
    assert await prune(store, RetentionRules(tasks=30 * DAY)) == {}
    assert (keys(store), rows(store)["fact"]) == ({"r1"}, 4)


async def test_a_task_that_cannot_be_folded_is_kept_with_its_facts(store: Store) -> None:
    await live(store, life("r1", "1", days_ago(40)))
    await tell(store, [arrival(("r1", None), "after", days_ago(35), 7)], folded=False)
    with store.transaction() as connection:
        dirty.set_aside(connection, DirtyTask(ACCOUNT, "r1"), "a fault of ours", NOW)
    before = rows(store)
    assert await prune(store, BOTH) == {}
    assert rows(store) == before


async def test_an_id_that_two_refs_have_named_is_linked_to_the_one_that_stays(store: Store) -> None:
    await live(store, life("r1", "7", days_ago(40)))
    await tell(store, (), [observation(ACCOUNT, days_ago(35), TaskSnapshot("executed"), ("r2", "7"))])
    assert (await prune(store, RetentionRules(tasks=30 * DAY)))["task"] == 1
    with store.snapshot() as connection:
        assert connection.execute(select(LINK)).all() == [(ACCOUNT, "7", "r2")]
    assert verify(store).differences == []


async def test_without_a_rule_nothing_is_deleted(store: Store) -> None:
    await live(store, life("r1", "1", days_ago(4_000)))
    await tell(store, [arrival((None, None), "before", days_ago(4_000))])
    before = rows(store)
    assert await prune(store, RetentionRules()) == {}
    assert rows(store) == before


async def test_a_young_delivery_whose_id_tells_of_another_time_stays(store: Store) -> None:
    row = arrival(("r1", None), "before", days_ago(1))
    strange = row._replace(delivery=delivery("0", days_ago(1))._replace(ref="r1"))
    assert row.fact is not None
    fact = row.fact.__class__(f"{ACCOUNT}/hook/0", ACCOUNT, row.fact.at, row.fact.payload, "r1", None)
    await tell(store, [strange._replace(fact=fact)])
    assert await prune(store, RetentionRules(deliveries=5 * DAY)) == {}


async def test_a_late_hook_of_a_task_that_is_gone_begins_it_anew(store: Store) -> None:
    await live(store, life("r1", "1", days_ago(40)))
    await prune(store, RetentionRules(tasks=30 * DAY))
    await tell(store, [arrival(("r1", None), "after", NOW)])
    assert rows(store) == {"delivery": 1, "fact": 1, "link": 0, "finding": 0, "task": 1}
    assert verify(store).differences == []


async def test_a_transaction_is_bounded_and_all_is_deleted_in_the_end(store: Store) -> None:
    many = [arrival(("loud", None), "before_again", days_ago(40), number) for number in range(2 * MOST_ROWS)]
    hooks, facts = life("loud", "999", days_ago(35))
    await tell(store, [*many, *hooks], facts)
    await live(store, *(life(f"r{n}", str(n), days_ago(40)) for n in range(100)))
    deliveries = Pruning(store, PROJECTOR, RetentionRules(deliveries=36 * DAY), NOW).batches()
    sizes = [batch.deleted async for batch in deliveries]
    assert sum(sizes, Counter()) == {"delivery": 2 * MOST_ROWS + 300}
    assert max(each["delivery"] for each in sizes) <= MOST_ROWS
    sizes = [
        batch.deleted
        async for batch in Pruning(store, PROJECTOR, RetentionRules(tasks=30 * DAY), NOW).batches()
    ]
    assert set(rows(store).values()) == {0}
    large = [each for each in sizes if each["fact"] > MOST_ROWS]
    assert [each["task"] for each in large] == [1], "a task goes whole, and by itself where it is large"
    assert len(sizes) > 2


@pytest.mark.parametrize(
    "keep",
    [
        BOTH,
        RetentionRules(tasks=30 * DAY),
        RetentionRules(deliveries=5 * DAY),
        RetentionRules(set_aside=5 * DAY),
        RetentionRules(),
    ],
)
async def test_counting_deletes_nothing_and_tells_what_would_be_deleted(
    store: Store, keep: RetentionRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_ROWS_A_READ", 5)
    await live(store, *(life(f"r{n}", str(n), days_ago(5 * n)) for n in range(12)))
    await tell(store, [arrival((None, None), "before", days_ago(n), n) for n in range(12)])
    before = rows(store)
    counted = await Pruning(store, PROJECTOR, keep, NOW).count()
    assert rows(store) == before
    assert counted == await prune(store, keep)
    assert (counted == {}) == (keep == RetentionRules())


async def test_what_is_left_can_be_rebuilt(store: Store) -> None:
    await live(store, *(life(f"r{n % 9}", str(n), days_ago(5 * n)) for n in range(12)))
    await prune(store, BOTH)
    assert verify(store).differences == []
    before = rows(store)
    rebuild(store)
    assert rows(store) == before


async def test_while_another_receiver_folds_no_task_is_deleted(postgres: str) -> None:
    target = prepared_database(postgres)
    with closing(Store(target)) as store, closing(Store(target)) as other:
        await live(store, life("r1", "1", days_ago(40)))
        async with aclosing(
            Pruning(store, PROJECTOR, RetentionRules(tasks=30 * DAY), NOW).batches()
        ) as batches:
            with other.transaction() as connection:
                locks.lock_folding(connection)
                assert [(await anext(batches)).deleted for _ in range(3)] == [{}, {}, {}]
            assert (await anext(batches)).deleted["task"] == 1


async def test_a_task_with_an_outcome_that_is_not_delivered_yet_stays(store: Store) -> None:
    with store.transaction() as connection:
        connection.execute(insert(SUBSCRIPTION), [subscription()])
    await live(store, life("old", "1", days_ago(31)))
    assert await prune(store, RetentionRules(tasks=30 * DAY)) == {}
    with store.transaction() as connection:
        connection.execute(update(MESSAGE).values(state="delivered"))
    deleted = await prune(store, RetentionRules(tasks=30 * DAY))
    assert (deleted["task"], deleted["message"]) == (1, 6)
    with store.snapshot() as connection:
        assert connection.execute(select(MESSAGE)).all() == []
