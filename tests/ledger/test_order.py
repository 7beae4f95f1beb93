"""Through a real ledger: what is derived does not depend on the order or the batches in which facts came."""

import asyncio
import random
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.domain.facts import Fact
from tests.domain.strategies import facts_of_one_task
from tests.ledger.ledger_env import Rows, open_ledger_env

WORLDS = st.tuples(
    facts_of_one_task("r1", "7", linked=True),
    facts_of_one_task("r2", "8", linked=True),
    facts_of_one_task("r3", "9"),
).map(lambda tasks: [fact for task in tasks for fact in task])


async def recorded(facts: list[Fact], seed: int) -> tuple[Rows, Rows]:
    """Record the facts shuffled, some twice, in parts of random size, some of them at the same time."""
    rng = random.Random(seed)
    order = [*facts, *rng.choices(facts, k=5)]
    rng.shuffle(order)
    with tempfile.TemporaryDirectory() as folder:
        async with open_ledger_env(Path(folder) / "receiver.db") as ledger_env:
            while order:
                parts = []
                for _ in range(rng.randint(1, 3)):
                    size = rng.randint(1, 8)
                    parts.append(ledger_env.ledger.record(order[:size]))
                    order = order[size:]
                await asyncio.gather(*parts)
            return ledger_env.derived(), ledger_env.told_by_the_ledger()


@settings(max_examples=25)
@given(WORLDS, st.integers(0, 2**32))
def test_order_and_batches_leave_no_trace_in_what_is_derived(facts: list[Fact], seed: int) -> None:
    one, afresh = asyncio.run(recorded(facts, seed))
    other, _ = asyncio.run(recorded(facts, seed + 1))
    assert one == other == afresh
