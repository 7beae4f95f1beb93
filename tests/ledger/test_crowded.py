"""A key that gets far more facts than a task can have, such as one URL set that is used for every task: it is
folded no further, and costs the others nothing.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import delete, update

from receiver.domain.facts import Fact
from receiver.domain.known import MOST_FACTS, MOST_READ
from receiver.domain.timeline import CROWDED, FROZEN
from receiver.ledger.arrivals import Arrival
from receiver.rebuild import rebuild, verify
from receiver.store import statements
from receiver.store.outbound import OPERATOR_EVENT
from receiver.store.rows import read_fact
from receiver.store.tables import DELIVERY, DIRTY_TASK, FACT, FINDING, TASK
from tests.factories import ACCOUNT, REF, START, About, delivery, hook, seen
from tests.ledger.house import House

pytestmark = pytest.mark.anyio

MANY = MOST_READ + 200


def hooks(number: int, since: float = START, about: About = (REF, None)) -> list[Arrival]:
    """So many repeats, a second after each other."""
    facts = [hook("before_again", since + place, about=about) for place in range(number)]
    return [Arrival(delivery(fact.id, fact.at)._replace(ref=about[0]), fact) for fact in facts]


async def get(house: House, *arrivals: Arrival) -> None:
    await house.accept(*arrivals)
    await house.caught_up()


def task(house: House, key: str = REF) -> dict[str, Any]:
    return next(row for row in house.rows(TASK) if row["key"] == key)


def crowded(house: House) -> list[str]:
    return [row["key"] for row in house.rows(FINDING) if row["kind"] == "crowded"]


class Reading:
    """How many facts are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.facts = 0

        def counted(row: Sequence[Any]) -> Fact:
            self.facts += 1
            return read_fact(row)

        monkeypatch.setattr(statements, "read_fact", counted)


async def test_a_key_with_too_many_facts_is_folded_no_further_and_the_operator_is_told_once(
    house: House,
) -> None:
    await get(house, *hooks(MOST_FACTS))
    assert task(house)["crowding"] == 0
    assert crowded(house) == []
    await get(house, *hooks(1, START + 5_000))
    assert (task(house)["crowding"], task(house)["due_for"]) == (CROWDED, None)
    await get(house, *hooks(MANY, START + 10_000))
    before = task(house)
    assert before["crowding"] == FROZEN
    await get(house, *hooks(300, START + 90_000), *hooks(2, about=("r2", None)))
    assert task(house) == before
    assert (task(house, "r2")["state"], task(house, "r2")["crowding"]) == ("executed", 0)
    assert crowded(house) == [REF]
    (event,) = house.rows(OPERATOR_EVENT)
    assert (event["kind"], event["subject"]) == ("task.crowded", f"{ACCOUNT}/{REF}")
    assert house.sample("anomalies_total", kind="crowded") == 1
    assert house.rows(DIRTY_TASK) == []
    assert len(house.rows(FACT)) == len(house.rows(DELIVERY)) == MOST_FACTS + 1 + MANY + 302


async def test_a_fold_reads_no_more_facts_than_it_folds(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, each fold read and folded all of them: 100,000 took seconds each time."""
    others = [each for number in range(20) for each in hooks(2, about=(f"o{number}", None))]
    reading = Reading(monkeypatch)
    await get(house, *hooks(6 * MOST_READ), *others)
    assert reading.facts <= MOST_READ + 1 + len(others)
    reading.facts = 0
    await get(house, *hooks(1, START + 90_000))
    assert reading.facts == 0


async def test_what_the_api_says_of_a_crowded_key_is_kept_and_not_folded(house: House) -> None:
    await get(house, *hooks(MANY))
    before = task(house)
    await house.ledger.record(
        [seen("executed", START + number, about=(REF, str(number))) for number in range(9)]
    )
    assert task(house) == before
    assert len(house.rows(FACT)) == MANY + 9


@pytest.mark.parametrize("number", [MOST_FACTS + 1, MOST_READ, MANY])
async def test_live_rebuilt_and_compared_are_the_same(house: House, number: int) -> None:
    await get(house, *hooks(number), *hooks(3, about=("r2", None)))
    await get(house, *hooks(5, START - 90_000))  # told late, and earlier than all others
    assert verify(house.store).differences == []
    before = house.rows(TASK), house.rows(FINDING)
    await house.store.write(
        lambda connection: connection.execute(update(TASK).values(state="new", attempts=7))
    )
    await house.store.write(lambda connection: connection.execute(delete(FINDING)))
    assert {each.table for each in verify(house.store).differences} == {"task", "finding", "task_count"}
    assert rebuild(house.store) == 2
    assert (house.rows(TASK), house.rows(FINDING)) == before
    assert verify(house.store).differences == []
    assert len(house.rows(OPERATOR_EVENT)) == 1


async def test_a_rebuild_and_a_comparison_read_no_more_facts_than_they_fold(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await get(house, *hooks(5 * MOST_READ))
    for work in (rebuild, verify):
        reading = Reading(monkeypatch)
        work(house.store)
        assert reading.facts == MOST_READ + 1


async def test_a_crowded_key_whose_ref_becomes_known_stays_crowded(house: House) -> None:
    await get(house, *hooks(MANY, about=(None, "7")))
    assert crowded(house) == ["#7"]
    await house.ledger.record([seen("executed", START, about=(REF, "7"))])
    assert [row["key"] for row in house.rows(TASK)] == [REF] == crowded(house)
    assert task(house)["crowding"] == FROZEN
    assert verify(house.store).differences == []
    assert len(house.rows(OPERATOR_EVENT)) == 1


async def test_silent_hooks_that_are_adopted_by_a_crowded_key_leave_no_task_of_their_own(
    house: House,
) -> None:
    await get(house, *hooks(MANY), *hooks(3, about=(None, "7")))
    await house.ledger.record([seen("executed", START, about=(REF, "7"))])
    assert [row["key"] for row in house.rows(TASK)] == [REF]
    assert verify(house.store).differences == []


async def test_the_facts_of_many_busy_tasks_are_all_read(house: House) -> None:
    """More facts than one statement reads, of tasks none of which is crowded."""
    refs = [f"r{number:02}" for number in range(15)]
    arrivals = [each for ref in refs for each in hooks(400, about=(ref, None))]
    await get(house, *arrivals)
    with house.store.snapshot() as connection:
        found = statements.facts_of(connection, ACCOUNT, refs)
    assert {ref: len(facts) for ref, facts in found.items()} == dict.fromkeys(refs, 400)
    assert {row["crowding"] for row in house.rows(TASK)} == {0}
