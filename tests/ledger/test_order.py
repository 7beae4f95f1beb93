"""Through a real ledger: what is derived does not depend on the order or the batches in which facts came."""

import asyncio
import random
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.domain.facts import Fact
from receiver.domain.fold import fold
from receiver.store import statements
from receiver.store.rows import finding_rows, new_task_row
from receiver.store.tables import FINDING, LINK, TASK
from tests.domain.strategies import facts_of_one_task
from tests.ledger.house import House, open_house

Rows = dict[str, list[dict[str, Any]]]

WORLDS = st.tuples(
    facts_of_one_task("r1", "7", linked=True),
    facts_of_one_task("r2", "8", linked=True),
    facts_of_one_task("r3", "9"),
).map(lambda tasks: [fact for task in tasks for fact in task])


def derived(house: House) -> Rows:
    return {table.name: house.rows(table) for table in (TASK, FINDING, LINK)}


def folded_afresh(house: House) -> Rows:
    """What the ledger's facts say, without regard to what was derived as they came."""
    with house.store.snapshot() as connection:
        timelines = [fold(facts) for _, facts in statements.all_tasks_facts(connection)]
    rows = [row for timeline in timelines for row in finding_rows(timeline)]
    rows.sort(key=lambda row: (row["account"], row["key"], row["category"], row["kind"]))
    return {"task": [new_task_row(timeline) for timeline in timelines], "finding": rows}


async def recorded(facts: list[Fact], seed: int) -> tuple[Rows, Rows]:
    """Record the facts shuffled, some twice, in parts of random size, some of them at the same time."""
    rng = random.Random(seed)
    order = [*facts, *rng.choices(facts, k=5)]
    rng.shuffle(order)
    with tempfile.TemporaryDirectory() as folder:
        async with open_house(Path(folder) / "receiver.db") as house:
            while order:
                parts = []
                for _ in range(rng.randint(1, 3)):
                    size = rng.randint(1, 8)
                    parts.append(house.ledger.record(order[:size]))
                    order = order[size:]
                await asyncio.gather(*parts)
            return derived(house), folded_afresh(house)


@settings(max_examples=25)
@given(WORLDS, st.integers(0, 2**32))
def test_order_and_batches_leave_no_trace_in_what_is_derived(facts: list[Fact], seed: int) -> None:
    one, afresh = asyncio.run(recorded(facts, seed))
    other, _ = asyncio.run(recorded(facts, seed + 1))
    assert one == other
    assert one["task"] == afresh["task"]
    assert one["finding"] == afresh["finding"]
