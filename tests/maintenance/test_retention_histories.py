"""Whatever was heard, and whenever it is pruned: what is left is just what the ledger gives."""

import asyncio
from collections.abc import Sequence
from zlib import crc32

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from receiver.domain.facts import Fact, HookEvent, hook_fact, id_time
from receiver.ledger import fact_sql
from receiver.ledger.append import Arrival
from receiver.maintenance.retention import RetentionRules
from receiver.maintenance.schema import complete_metadata
from receiver.storage.engine import Store
from receiver.tasks.tables import TASK
from tests.domain.strategies import facts_of_one_task
from tests.factories import ACCOUNT, START, delivery
from tests.ledger.projecting import verify
from tests.maintenance.lives import delivery_ids, dirty_tasks, prune, tell

TASKS = (("r1", "7", True), ("r2", "70", False), ("r3", "8", True))
"""`70` is what facts of the first task name now and then, too."""

AGES = st.none() | st.sampled_from([30.0, 150.0, 270.0])
NOW = START + 360.0


@st.composite
def histories(draw: st.DrawFn) -> list[Fact]:
    """The facts of some tasks, as they came."""
    some = [draw(facts_of_one_task(ref, task_id, linked=linked)) for ref, task_id, linked in TASKS]
    told: list[Fact] = draw(st.permutations([fact for facts in some for fact in facts]))
    return told


def as_arrivals(facts: Sequence[Fact]) -> list[Arrival]:
    """Those of the facts that are hooks, each with its delivery; one that has a ref bears no other name."""
    arrivals = []
    for fact in facts:
        if isinstance(fact.payload, HookEvent):
            delivery_id = f"{id_time(fact.at)}{crc32(fact.id.encode()):020x}"
            row = delivery(delivery_id, fact.at, fact.payload.event)._replace(ref=fact.ref)
            about = (fact.ref, None if fact.ref else fact.task_id)
            arrivals.append(Arrival(row, hook_fact(ACCOUNT, delivery_id, fact.at, fact.payload, about)))
    return arrivals


def known(store: Store) -> dict[str, tuple[float | None, set[str]]]:
    """Key → when a settled task was last heard of (None: it is open), and the ids of its facts."""
    with store.snapshot() as connection:
        rows = connection.execute(select(TASK.c.key, TASK.c.settled, TASK.c.last_at)).all()
        facts = fact_sql.facts_of(connection, ACCOUNT, [row.key for row in rows])
    return {
        key: (last_at if settled else None, {fact.id for fact in facts[key]})
        for key, settled, last_at in rows
    }


@given(told=histories(), folded=st.integers(0, 30), deliveries=AGES, tasks=AGES)
@settings(
    max_examples=60,
    phases=[Phase.generate],  # to shrink would take minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_pruned_ledger_bears_out_what_is_left(
    store: Store, told: list[Fact], folded: int, deliveries: float | None, tasks: float | None
) -> None:
    """Some of the facts come, then hooks that are not folded yet; it is pruned; then these are folded."""
    keep = RetentionRules(deliveries, tasks and min(tasks, deliveries or tasks), tasks)

    async def story() -> None:
        with store.transaction() as connection:
            for table in complete_metadata().sorted_tables:
                connection.execute(delete(table))
        await tell(store, as_arrivals(told[:folded]), [fact for fact in told[:folded] if fact.kind != "hook"])
        assert verify(store).differences == []
        before = known(store)
        late = as_arrivals(told[folded:])
        await tell(store, late, folded=False)
        await prune(store, keep, NOW)
        after = known(store)
        for key, (last_at, facts) in before.items():
            expired = tasks is not None and last_at is not None and last_at < NOW - tasks
            if key in after:
                assert facts <= after[key][1]
            else:
                assert expired
            if expired and not late:
                assert key not in after
        assert dirty_tasks(store) == {each.fact.ref or f"#{each.fact.task_id}" for each in late if each.fact}
        assert delivery_ids(store) >= {arrival.delivery.id for arrival in late}
        await tell(store)
        assert verify(store).differences == []

    asyncio.run(story())
