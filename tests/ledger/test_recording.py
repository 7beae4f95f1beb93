import asyncio
from dataclasses import replace
from itertools import permutations

import pytest
from sqlalchemy import text

from receiver.domain.facts import Fact
from receiver.errors import StoreUnavailableError
from receiver.ledger import commit_queue
from receiver.ledger.tables import FACT, LINK
from receiver.tasks.tables import FINDING, QUEUE, TASK
from tests.factories import delivery, finished, hook, queue, seen, settled
from tests.ledger.ledger_env import LedgerEnv, other_process

pytestmark = pytest.mark.anyio


async def record_all(ledger_env: LedgerEnv, facts: list[Fact]) -> None:
    for fact in facts:
        await ledger_env.ledger.record([fact])


async def test_recording_returns_once_another_process_can_read_it(ledger_env: LedgerEnv) -> None:
    await ledger_env.arrive(hook("before", 1_000), delivery("d1"))
    with other_process(ledger_env.store_target) as other:
        assert other.execute(text("SELECT ref, kind FROM fact")).all() == [("r1", "hook")]
        assert other.execute(text("SELECT id FROM delivery")).all() == [("d1",)]
        assert other.execute(text("SELECT key, state FROM task")).all() == [("r1", "executed")]


async def test_recording_does_not_return_before_the_commit(ledger_env: LedgerEnv) -> None:
    with ledger_env.locked():
        recording = asyncio.create_task(ledger_env.ledger.record([hook("before", 1_000)]))
        await asyncio.sleep(0.1)
        assert not recording.done()
    await asyncio.wait_for(recording, 10)
    assert len(ledger_env.facts()) == 1


async def test_recording_nothing_returns(ledger_env: LedgerEnv) -> None:
    await asyncio.wait_for(ledger_env.ledger.record([]), 10)


async def test_the_same_delivery_twice_is_one_fact(ledger_env: LedgerEnv) -> None:
    fact = hook("before", 1_000)
    await ledger_env.ledger.record([fact])
    await ledger_env.ledger.record([fact])
    await ledger_env.ledger.record([fact, fact])
    assert ledger_env.facts() == {fact.id}
    assert ledger_env.task()["duplicates"]["before"] == 0


async def test_two_deliveries_of_one_event_are_two_facts_and_a_duplicate(ledger_env: LedgerEnv) -> None:
    await ledger_env.ledger.record([hook("before", 1_000)])
    await ledger_env.ledger.record([hook("before", 1_000, copy=1)])
    assert len(ledger_env.facts()) == 2
    assert (ledger_env.task()["arrived"]["before"], ledger_env.task()["duplicates"]["before"]) == (1, 1)


async def test_of_one_fact_heard_twice_the_first_hearing_is_kept_alone_or_in_one_batch(
    ledger_env: LedgerEnv,
) -> None:
    await ledger_env.ledger.record([seen("executed", 5.0), seen("executed", 9.0)])
    await ledger_env.ledger.record([seen("executed", 1.0)])
    assert [row["at"] for row in ledger_env.rows(FACT)] == [5.0]


async def test_recordings_that_come_together_share_commits(
    ledger_env: LedgerEnv, transactions: list[int]
) -> None:
    await asyncio.gather(*(ledger_env.ledger.record([hook("before", float(n))]) for n in range(200)))
    assert len(ledger_env.facts()) == 200
    assert sum(transactions) == 200
    assert len(transactions) <= 5


async def test_a_batch_has_a_largest_size(
    ledger_env: LedgerEnv, transactions: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_queue, "MAX_BATCH", 10)
    await asyncio.gather(*(ledger_env.ledger.record([hook("before", float(n))]) for n in range(25)))
    assert len(ledger_env.facts()) == 25
    assert transactions == [10, 10, 5]


async def test_too_many_that_wait_are_turned_away_at_once(
    ledger_env: LedgerEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_queue, "MAX_WAITING", 3)
    calls = [ledger_env.ledger.record([hook("before", float(n))]) for n in range(5)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None)] * 3 + [StoreUnavailableError] * 2
    assert len(ledger_env.facts()) == 3


async def test_facts_of_several_accounts_do_not_mix(ledger_env: LedgerEnv) -> None:
    ours = hook("before", 1_000)
    theirs = replace(hook("after", 1_001), account="other")
    await ledger_env.ledger.record([ours, theirs])
    assert [(row["account"], row["key"], row["state"]) for row in ledger_env.rows(TASK)] == [
        ("acme", "r1", "executed"),
        ("other", "r1", "finished"),
    ]


async def test_what_is_said_of_a_queue_makes_no_task(ledger_env: LedgerEnv) -> None:
    await ledger_env.ledger.record([queue(2.0, status="off")])
    await ledger_env.ledger.record([queue(1.0, status="on")])
    assert [(row["status"], row["observed_at"]) for row in ledger_env.rows(QUEUE)] == [("off", 2.0)]
    assert ledger_env.rows(TASK) == []


async def test_a_task_and_its_findings_follow_every_fact(ledger_env: LedgerEnv) -> None:
    await record_all(
        ledger_env, [hook("before", 1_000), finished("failed", 1_100, try_count=1), settled(2_000)]
    )
    assert (ledger_env.task()["state"], ledger_env.task()["lost"]) == ("finished", {"after": 1})
    assert [(row["category"], row["kind"]) for row in ledger_env.rows(FINDING)] == [("lost_hook", "after")]
    await ledger_env.ledger.record([hook("after", 2_500)])
    assert ledger_env.task()["lost"] == {}
    assert [(row["category"], row["kind"]) for row in ledger_env.rows(FINDING)] == [("anomaly", "late")]


FIXED = hook("after", 1_200, about=(None, "7"))
MINTED = hook("before", 1_000)
BOTH = seen("executed", 1_001)


@pytest.mark.parametrize("order", list(permutations([FIXED, MINTED, BOTH])))
@pytest.mark.parametrize("together", [False, True], ids=["alone", "together"])
async def test_a_fact_that_names_only_the_id_ends_in_the_task_of_the_ref(
    ledger_env: LedgerEnv, order: list[Fact], together: bool
) -> None:
    if together:
        await ledger_env.ledger.record(order)
    else:
        await record_all(ledger_env, order)
    row = ledger_env.task()
    assert (row["key"], row["task_id"], row["state"]) == ("r1", "7", "finished")
    assert row["arrived"] == {"before": 1, "before_again": 0, "success": 0, "after": 1}
    assert [(link["task_id"], link["ref"]) for link in ledger_env.rows(LINK)] == [("7", "r1")]


async def test_until_it_is_linked_a_task_is_kept_under_its_id_and_then_no_more(ledger_env: LedgerEnv) -> None:
    unread = hook("after", 1_200, about=(None, "7"), readable=False)
    await ledger_env.ledger.record([unread])
    assert ledger_env.task()["key"] == "#7"
    assert [row["key"] for row in ledger_env.rows(FINDING)] == ["#7"]
    await ledger_env.ledger.record([BOTH])
    assert ledger_env.task()["key"] == "r1"
    assert [row["key"] for row in ledger_env.rows(FINDING)] == ["r1"]


async def test_a_first_link_is_not_changed_by_a_later_one(ledger_env: LedgerEnv) -> None:
    await ledger_env.ledger.record([seen("executed", 1.0, about=("r1", "7"))])
    await ledger_env.ledger.record([seen("delayed", 2.0, about=("r2", "7"))])
    await ledger_env.ledger.record([hook("after", 3.0, about=(None, "7"))])
    states = {row["key"]: row["state"] for row in ledger_env.rows(TASK)}
    assert states == {"r1": "finished", "r2": "delayed"}


async def test_a_caller_that_goes_away_leaves_what_it_handed_in(ledger_env: LedgerEnv) -> None:
    with ledger_env.locked():
        leaving = asyncio.create_task(ledger_env.ledger.record([hook("before", 1_000)]))
        staying = asyncio.create_task(ledger_env.ledger.record([hook("after", 1_001)]))
        await asyncio.sleep(0.05)
        leaving.cancel()
    await asyncio.wait_for(staying, 10)
    assert len(ledger_env.facts()) == 2
