"""Two receivers on one PostgreSQL read, record and fold what is said of the same tasks at the same time."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from receiver.domain.facts import Fact, HookEvent
from receiver.domain.task_facts import TaskFacts, sort
from receiver.ledger import folder
from receiver.ledger.append import Arrival
from receiver.ledger.tables import DELIVERY, DIRTY_TASK, FACT
from receiver.storage import locks
from tests.domain.strategies import facts_of_one_task
from tests.factories import delivery, finished, hook, queue
from tests.ledger.ledger_env import LedgerEnv, open_ledger_env, other_process
from tests.ledger.projecting import verify
from tests.postgres import prepared_database

PATIENCE_S = 30.0

TASKS = st.tuples(
    facts_of_one_task("r1", "7", linked=True),
    facts_of_one_task("r2", "8", linked=True),
    facts_of_one_task("r3", "9", linked=True),
).map(lambda tasks: [as_it_comes(fact) for task in tasks for fact in task])


def as_it_comes(fact: Fact) -> Fact:
    """A hook names a ref or an id, never both: a minted URL leaves no room for another's word."""
    return replace(fact, task_id=None) if _is_hook(fact) and fact.ref else fact


def _is_hook(fact: Fact) -> bool:
    return isinstance(fact.payload, HookEvent)


@asynccontextmanager
async def two_houses(target: str, rng: Random) -> AsyncIterator[tuple[LedgerEnv, LedgerEnv]]:
    """Two receivers on one database; before each statement they stop for a moment that nobody foresees."""

    def dawdle(*_: object) -> None:
        time.sleep(rng.choice((0.0, 0.0, 0.002, 0.01)))

    async with open_ledger_env(target) as one, open_ledger_env(target) as other:
        for ledger_env in (one, other):
            event.listen(ledger_env.store._backend.writing, "before_cursor_execute", dawdle)
        yield one, other


def said_to(
    houses: Sequence[LedgerEnv], facts: Sequence[Fact], rng: Random
) -> list[Coroutine[Any, Any, None]]:
    """Each hook at one of them; observations in parts, each part at one or, in opposite order, at both."""
    calls = [
        rng.choice(houses).accept(Arrival(delivery(fact.id)._replace(ref=fact.ref), fact))
        for fact in facts
        if _is_hook(fact)
    ]
    observed = [fact for fact in facts if not _is_hook(fact)]
    while observed:
        size = rng.randint(1, 6)
        part, observed = observed[:size], observed[size:]
        one, other = rng.sample(houses, 2)
        calls.append(one.ledger.record(part))
        if rng.random() < 0.6:
            calls.append(other.ledger.record(part[::-1]))
    rng.shuffle(calls)
    return calls


async def tell(houses: Sequence[LedgerEnv], facts: Sequence[Fact], rng: Random) -> None:
    """All of it, some at the same time and some a little later; returns when all is folded."""

    async def later(call: Coroutine[Any, Any, None], pause: float) -> None:
        await asyncio.sleep(pause)
        await call

    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(later(call, 0.1 * rng.random()) for call in said_to(houses, facts, rng)))
        await asyncio.gather(*(ledger_env.caught_up() for ledger_env in houses))


def check(houses: Sequence[LedgerEnv], facts: Sequence[Fact]) -> None:
    """Every fact is there once and folded, and the tables are just what the ledger gives."""
    hooks = {fact.id for fact in facts if _is_hook(fact)}
    assert sorted(row["id"] for row in houses[0].rows(FACT)) == sorted({fact.id for fact in facts})
    assert {row["id"] for row in houses[0].rows(DELIVERY)} == hooks
    assert houses[0].rows(DIRTY_TASK) == []
    assert verify(houses[0].store).differences == []
    for ledger_env in houses:
        assert not ledger_env.running.done()
        assert ledger_env.sample("fold_failures_total") == 0


@settings(max_examples=settings().max_examples // 16)
@given(facts=TASKS, seed=st.integers(0, 2**32))
def test_two_ledgers_that_fold_the_same_tasks_give_what_one_would(
    postgres: str, facts: list[Fact], seed: int
) -> None:
    async def run() -> None:
        rng = Random(seed)
        order = [*facts, *(queue(float(at), status=rng.choice(("on", "off"))) for at in range(4))]
        rng.shuffle(order)
        async with two_houses(prepared_database(postgres), rng) as houses:
            await tell(houses, order, rng)
            check(houses, order)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("LEAST", "MOST"):
            patch.setattr(folder, name, seed % 5 + 1)
        asyncio.run(run())


@pytest.mark.anyio
async def test_what_one_records_while_the_other_folds_the_same_task_is_not_written_over(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other has read the task's facts and not yet written what they give."""
    has_read = threading.Event()

    def slow(facts: Iterable[Fact]) -> TaskFacts:
        if not has_read.is_set():
            has_read.set()
            time.sleep(0.3)
        return sort(facts)

    monkeypatch.setattr("receiver.domain.fold.sort", slow)
    facts = [hook("before", 1.0), finished("failed", 2.0)]
    async with two_houses(prepared_database(postgres), Random(0)) as houses:
        async with asyncio.timeout(PATIENCE_S):
            await houses[0].accept(Arrival(delivery(facts[0].id), facts[0]))
            await asyncio.to_thread(has_read.wait, PATIENCE_S)
            await houses[1].ledger.record(facts[1:])
            await asyncio.gather(*(ledger_env.caught_up() for ledger_env in houses))
        check(houses, facts)


@pytest.mark.anyio
async def test_hooks_are_kept_while_another_receiver_folds_for_long_and_observations_wait(
    postgres: str,
) -> None:
    """As one does that rebuilds, or is frozen in the middle of it."""
    target = prepared_database(postgres)
    heard = [hook("before", float(number)) for number in range(20)]
    seen_later = [finished("failed", 30.0)]
    async with open_ledger_env(target) as ledger_env, asyncio.timeout(PATIENCE_S):
        with other_process(target) as other:
            locks.lock_folding(other)
            recording = asyncio.create_task(ledger_env.ledger.record(seen_later))
            await asyncio.sleep(0.1)
            await asyncio.gather(*(ledger_env.accept(Arrival(delivery(fact.id), fact)) for fact in heard))
            assert not recording.done()
        await recording
        await ledger_env.caught_up()
        check([ledger_env], [*heard, *seen_later])
