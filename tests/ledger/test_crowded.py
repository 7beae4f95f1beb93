"""A key that gets far more facts than a task can have, such as one URL set that is used for every task: it is
folded no further, and costs the others nothing.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import delete, update

from receiver.domain.facts import Fact
from receiver.domain.task_facts import CROWDED, FROZEN, MOST_FACTS, MOST_READ
from receiver.ledger import fact_sql
from receiver.ledger.append import Arrival
from receiver.ledger.fact_sql import read_fact
from receiver.ledger.tables import DELIVERY, DIRTY_TASK, FACT
from receiver.storage.operator_events import OPERATOR_EVENT
from receiver.tasks.tables import FINDING, TASK
from tests.factories import ACCOUNT, REF, START, About, delivery, hook, seen
from tests.ledger.ledger_env import LedgerEnv
from tests.ledger.projecting import rebuild, verify

pytestmark = pytest.mark.anyio

MANY = MOST_READ + 200


def hooks(number: int, since: float = START, about: About = (REF, None)) -> list[Arrival]:
    """So many repeats, a second after each other."""
    facts = [hook("before_again", since + place, about=about) for place in range(number)]
    return [Arrival(delivery(fact.id, fact.at)._replace(ref=about[0]), fact) for fact in facts]


async def get(ledger_env: LedgerEnv, *arrivals: Arrival) -> None:
    await ledger_env.accept(*arrivals)
    await ledger_env.caught_up()


def task(ledger_env: LedgerEnv, key: str = REF) -> dict[str, Any]:
    return next(row for row in ledger_env.rows(TASK) if row["key"] == key)


def crowded(ledger_env: LedgerEnv) -> list[str]:
    return [row["key"] for row in ledger_env.rows(FINDING) if row["kind"] == "crowded"]


class Reading:
    """How many facts are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.facts = 0

        def counted(row: Sequence[Any]) -> Fact:
            self.facts += 1
            return read_fact(row)

        monkeypatch.setattr(fact_sql, "read_fact", counted)


async def test_a_key_with_too_many_facts_is_folded_no_further_and_the_operator_is_told_once(
    ledger_env: LedgerEnv,
) -> None:
    await get(ledger_env, *hooks(MOST_FACTS))
    assert task(ledger_env)["crowding"] == 0
    assert crowded(ledger_env) == []
    await get(ledger_env, *hooks(1, START + 5_000))
    assert (task(ledger_env)["crowding"], task(ledger_env)["due_for"]) == (CROWDED, None)
    await get(ledger_env, *hooks(MANY, START + 10_000))
    before = task(ledger_env)
    assert before["crowding"] == FROZEN
    await get(ledger_env, *hooks(300, START + 90_000), *hooks(2, about=("r2", None)))
    assert task(ledger_env) == before
    assert (task(ledger_env, "r2")["state"], task(ledger_env, "r2")["crowding"]) == ("executed", 0)
    assert crowded(ledger_env) == [REF]
    (event,) = ledger_env.rows(OPERATOR_EVENT)
    assert (event["kind"], event["subject"]) == ("task.crowded", f"{ACCOUNT}/{REF}")
    assert ledger_env.sample("anomalies_total", kind="crowded") == 1
    assert ledger_env.rows(DIRTY_TASK) == []
    assert len(ledger_env.rows(FACT)) == len(ledger_env.rows(DELIVERY)) == MOST_FACTS + 1 + MANY + 302


async def test_a_fold_reads_no_more_facts_than_it_folds(
    ledger_env: LedgerEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, each fold read and folded all of them: 100,000 took seconds each time."""
    others = [each for number in range(20) for each in hooks(2, about=(f"o{number}", None))]
    reading = Reading(monkeypatch)
    await get(ledger_env, *hooks(6 * MOST_READ), *others)
    assert reading.facts <= MOST_READ + 1 + len(others)
    reading.facts = 0
    await get(ledger_env, *hooks(1, START + 90_000))
    assert reading.facts == 0


async def test_what_the_api_says_of_a_crowded_key_is_kept_and_not_folded(ledger_env: LedgerEnv) -> None:
    await get(ledger_env, *hooks(MANY))
    before = task(ledger_env)
    await ledger_env.ledger.record(
        [seen("executed", START + number, about=(REF, str(number))) for number in range(9)]
    )
    assert task(ledger_env) == before
    assert len(ledger_env.rows(FACT)) == MANY + 9


@pytest.mark.parametrize("number", [MOST_FACTS + 1, MOST_READ, MANY])
async def test_live_rebuilt_and_compared_are_the_same(ledger_env: LedgerEnv, number: int) -> None:
    await get(ledger_env, *hooks(number), *hooks(3, about=("r2", None)))
    await get(ledger_env, *hooks(5, START - 90_000))  # told late, and earlier than all others
    assert verify(ledger_env.store).differences == []
    before = ledger_env.rows(TASK), ledger_env.rows(FINDING)
    await ledger_env.store.write(
        lambda connection: connection.execute(update(TASK).values(state="new", attempts=7))
    )
    await ledger_env.store.write(lambda connection: connection.execute(delete(FINDING)))
    assert {each.table for each in verify(ledger_env.store).differences} == {"task", "finding", "task_count"}
    assert rebuild(ledger_env.store) == 2
    assert (ledger_env.rows(TASK), ledger_env.rows(FINDING)) == before
    assert verify(ledger_env.store).differences == []
    assert len(ledger_env.rows(OPERATOR_EVENT)) == 1


async def test_a_rebuild_and_a_comparison_read_no_more_facts_than_they_fold(
    ledger_env: LedgerEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    await get(ledger_env, *hooks(5 * MOST_READ))
    for work in (rebuild, verify):
        reading = Reading(monkeypatch)
        work(ledger_env.store)
        assert reading.facts == MOST_READ + 1


async def test_a_crowded_key_whose_ref_becomes_known_stays_crowded(ledger_env: LedgerEnv) -> None:
    await get(ledger_env, *hooks(MANY, about=(None, "7")))
    assert crowded(ledger_env) == ["#7"]
    await ledger_env.ledger.record([seen("executed", START, about=(REF, "7"))])
    assert [row["key"] for row in ledger_env.rows(TASK)] == [REF] == crowded(ledger_env)
    assert task(ledger_env)["crowding"] == FROZEN
    assert verify(ledger_env.store).differences == []
    assert len(ledger_env.rows(OPERATOR_EVENT)) == 1


async def test_silent_hooks_that_are_adopted_by_a_crowded_key_leave_no_task_of_their_own(
    ledger_env: LedgerEnv,
) -> None:
    await get(ledger_env, *hooks(MANY), *hooks(3, about=(None, "7")))
    await ledger_env.ledger.record([seen("executed", START, about=(REF, "7"))])
    assert [row["key"] for row in ledger_env.rows(TASK)] == [REF]
    assert verify(ledger_env.store).differences == []


async def test_the_facts_of_many_busy_tasks_are_all_read(ledger_env: LedgerEnv) -> None:
    """More facts than one statement reads, of tasks none of which is crowded."""
    refs = [f"r{number:02}" for number in range(15)]
    arrivals = [each for ref in refs for each in hooks(400, about=(ref, None))]
    await get(ledger_env, *arrivals)
    with ledger_env.store.snapshot() as connection:
        found = fact_sql.facts_of(connection, ACCOUNT, refs)
    assert {ref: len(facts) for ref, facts in found.items()} == dict.fromkeys(refs, 400)
    assert {row["crowding"] for row in ledger_env.rows(TASK)} == {0}
