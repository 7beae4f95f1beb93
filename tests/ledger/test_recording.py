import asyncio
from dataclasses import replace
from itertools import permutations

import pytest
from sqlalchemy import text

from receiver.domain.facts import Fact
from receiver.errors import StoreUnavailableError
from receiver.ledger import commit_queue
from receiver.store.tables import FACT, FINDING, LINK, QUEUE, TASK
from tests.factories import delivery, finished, hook, queue, seen, settled
from tests.ledger.house import House, other_process

pytestmark = pytest.mark.anyio


async def record_all(house: House, facts: list[Fact]) -> None:
    for fact in facts:
        await house.ledger.record([fact])


async def test_recording_returns_once_another_process_can_read_it(house: House) -> None:
    await house.arrive(hook("before", 1_000), delivery("d1"))
    with other_process(house.store_target) as other:
        assert other.execute(text("SELECT ref, kind FROM fact")).all() == [("r1", "hook")]
        assert other.execute(text("SELECT id FROM delivery")).all() == [("d1",)]
        assert other.execute(text("SELECT key, state FROM task")).all() == [("r1", "executed")]


async def test_recording_does_not_return_before_the_commit(house: House) -> None:
    with house.locked():
        recording = asyncio.create_task(house.ledger.record([hook("before", 1_000)]))
        await asyncio.sleep(0.1)
        assert not recording.done()
    await asyncio.wait_for(recording, 10)
    assert len(house.facts()) == 1


async def test_recording_nothing_returns(house: House) -> None:
    await asyncio.wait_for(house.ledger.record([]), 10)


async def test_the_same_delivery_twice_is_one_fact(house: House) -> None:
    fact = hook("before", 1_000)
    await house.ledger.record([fact])
    await house.ledger.record([fact])
    await house.ledger.record([fact, fact])
    assert house.facts() == {fact.id}
    assert house.task()["duplicates"]["before"] == 0


async def test_two_deliveries_of_one_event_are_two_facts_and_a_duplicate(house: House) -> None:
    await house.ledger.record([hook("before", 1_000)])
    await house.ledger.record([hook("before", 1_000, copy=1)])
    assert len(house.facts()) == 2
    assert (house.task()["arrived"]["before"], house.task()["duplicates"]["before"]) == (1, 1)


async def test_of_one_fact_heard_twice_the_first_hearing_is_kept_alone_or_in_one_batch(house: House) -> None:
    await house.ledger.record([seen("executed", 5.0), seen("executed", 9.0)])
    await house.ledger.record([seen("executed", 1.0)])
    assert [row["at"] for row in house.rows(FACT)] == [5.0]


async def test_recordings_that_come_together_share_commits(house: House, transactions: list[int]) -> None:
    await asyncio.gather(*(house.ledger.record([hook("before", float(n))]) for n in range(200)))
    assert len(house.facts()) == 200
    assert sum(transactions) == 200
    assert len(transactions) <= 5


async def test_a_batch_has_a_largest_size(
    house: House, transactions: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_queue, "MAX_BATCH", 10)
    await asyncio.gather(*(house.ledger.record([hook("before", float(n))]) for n in range(25)))
    assert len(house.facts()) == 25
    assert transactions == [10, 10, 5]


async def test_too_many_that_wait_are_turned_away_at_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_queue, "MAX_WAITING", 3)
    calls = [house.ledger.record([hook("before", float(n))]) for n in range(5)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None)] * 3 + [StoreUnavailableError] * 2
    assert len(house.facts()) == 3


async def test_facts_of_several_accounts_do_not_mix(house: House) -> None:
    ours = hook("before", 1_000)
    theirs = replace(hook("after", 1_001), account="other")
    await house.ledger.record([ours, theirs])
    assert [(row["account"], row["key"], row["state"]) for row in house.rows(TASK)] == [
        ("acme", "r1", "executed"),
        ("other", "r1", "finished"),
    ]


async def test_what_is_said_of_a_queue_makes_no_task(house: House) -> None:
    await house.ledger.record([queue(2.0, status="off")])
    await house.ledger.record([queue(1.0, status="on")])
    assert [(row["status"], row["observed_at"]) for row in house.rows(QUEUE)] == [("off", 2.0)]
    assert house.rows(TASK) == []


async def test_a_task_and_its_findings_follow_every_fact(house: House) -> None:
    await record_all(house, [hook("before", 1_000), finished("failed", 1_100, try_count=1), settled(2_000)])
    assert (house.task()["state"], house.task()["lost"]) == ("finished", {"after": 1})
    assert [(row["category"], row["kind"]) for row in house.rows(FINDING)] == [("lost_hook", "after")]
    await house.ledger.record([hook("after", 2_500)])
    assert house.task()["lost"] == {}
    assert [(row["category"], row["kind"]) for row in house.rows(FINDING)] == [("anomaly", "late")]


FIXED = hook("after", 1_200, about=(None, "7"))
MINTED = hook("before", 1_000)
BOTH = seen("executed", 1_001)


@pytest.mark.parametrize("order", list(permutations([FIXED, MINTED, BOTH])))
@pytest.mark.parametrize("together", [False, True], ids=["alone", "together"])
async def test_a_fact_that_names_only_the_id_ends_in_the_task_of_the_ref(
    house: House, order: list[Fact], together: bool
) -> None:
    if together:
        await house.ledger.record(order)
    else:
        await record_all(house, order)
    row = house.task()
    assert (row["key"], row["task_id"], row["state"]) == ("r1", "7", "finished")
    assert row["arrived"] == {"before": 1, "before_again": 0, "success": 0, "after": 1}
    assert [(link["task_id"], link["ref"]) for link in house.rows(LINK)] == [("7", "r1")]


async def test_until_it_is_linked_a_task_is_kept_under_its_id_and_then_no_more(house: House) -> None:
    unread = hook("after", 1_200, about=(None, "7"), readable=False)
    await house.ledger.record([unread])
    assert house.task()["key"] == "#7"
    assert [row["key"] for row in house.rows(FINDING)] == ["#7"]
    await house.ledger.record([BOTH])
    assert house.task()["key"] == "r1"
    assert [row["key"] for row in house.rows(FINDING)] == ["r1"]


async def test_a_first_link_is_not_changed_by_a_later_one(house: House) -> None:
    await house.ledger.record([seen("executed", 1.0, about=("r1", "7"))])
    await house.ledger.record([seen("delayed", 2.0, about=("r2", "7"))])
    await house.ledger.record([hook("after", 3.0, about=(None, "7"))])
    states = {row["key"]: row["state"] for row in house.rows(TASK)}
    assert states == {"r1": "finished", "r2": "delayed"}


async def test_a_caller_that_goes_away_leaves_what_it_handed_in(house: House) -> None:
    with house.locked():
        leaving = asyncio.create_task(house.ledger.record([hook("before", 1_000)]))
        staying = asyncio.create_task(house.ledger.record([hook("after", 1_001)]))
        await asyncio.sleep(0.05)
        leaving.cancel()
    await asyncio.wait_for(staying, 10)
    assert len(house.facts()) == 2
