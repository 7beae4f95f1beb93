"""The outbox is written in the transaction that folds: nothing false is told, nothing is forgotten."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import insert

from receiver.store import outbox
from receiver.store.outbound import MESSAGE, OUTCOME, SUBSCRIPTION
from tests.factories import START, finished, hook, seen, subscription
from tests.ledger.house import House

pytestmark = pytest.mark.anyio


async def subscribe(house: House, name: str, **changes: Any) -> None:
    row = subscription(name, **changes)
    await house.store.write(lambda connection: connection.execute(insert(SUBSCRIPTION), [row]))


async def test_outcomes_are_kept_without_any_subscription(house: House) -> None:
    await house.ledger.record([hook("before", START), hook("after", START + 30, result="failed")])
    assert [row["type"] for row in house.rows(OUTCOME)] == [
        "task.started",
        "task.attempt_started",
        "task.finished",
    ]
    assert house.rows(MESSAGE) == []


async def test_each_subscription_gets_what_it_wishes_for(house: House) -> None:
    await subscribe(house, "all")
    await subscribe(house, "ends", filter={"types": ["task.finished", "task.reconciled"]})
    await subscribe(house, "elsewhere", filter={"accounts": ["other"]})
    await subscribe(house, "queue", filter={"queues": ["5"], "results": ["connected"]})
    await subscribe(house, "over", state="disabled")
    await house.ledger.record([hook("before", START), finished("success", START + 30)])
    counts = dict.fromkeys(("all", "ends", "elsewhere", "queue", "over"), 0)
    for row in house.rows(MESSAGE):
        counts[row["subscription"]] += 1
    assert counts == {"all": 5, "ends": 2, "elsewhere": 0, "queue": 5, "over": 0}


async def test_a_fold_that_fails_tells_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await subscribe(house, "all")

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("torn")

    with monkeypatch.context() as broken:
        broken.setattr(outbox, "add_messages", fail)
        with pytest.raises(RuntimeError):
            await house.ledger.record([finished("success", START)])
    assert (house.rows(OUTCOME), house.rows(MESSAGE), house.facts()) == ([], [], set())
    await house.ledger.record([finished("success", START)])
    assert len(house.rows(OUTCOME)) == len(house.rows(MESSAGE)) == 5


async def test_a_task_known_by_its_id_first_is_told_once(house: House) -> None:
    await subscribe(house, "all")
    await house.ledger.record([seen("executed", START, about=(None, "7"))])
    assert {row["key"] for row in house.rows(OUTCOME)} == {"#7"}
    await house.ledger.record([hook("before", START + 1, about=("r1", "7"))])
    await house.ledger.record([finished("success", START + 30, about=("r1", "7"))])
    rows = house.rows(OUTCOME)
    assert [row["type"] for row in rows].count("task.started") == 1
    assert {row["key"] for row in rows} == {row["key"] for row in house.rows(MESSAGE)} == {"r1"}


async def test_a_connection_that_proves_to_be_none_is_not_told_to_who_waits_for_proof(house: House) -> None:
    await subscribe(
        house, "sure", certainty="reconciled", filter={"types": ["task.connected", "task.finished"]}
    )
    await house.ledger.record([hook("before", START), hook("success", START + 20)])
    assert [row["state"] for row in house.rows(MESSAGE)] == ["held"]
    await house.ledger.record([finished("failed", START + 60)])
    states = {row["state"] for row in house.rows(MESSAGE)}
    assert [row["state"] for row in house.rows(MESSAGE)] == ["dropped", "waiting"], states


async def test_outcomes_are_numbered_in_the_order_of_their_commits(house: House) -> None:
    facts = [[hook("before", START + number, about=(f"r{number}", None))] for number in range(30)]
    await asyncio.gather(*(house.ledger.record(some) for some in facts))
    seqs = [row["seq"] for row in house.rows(OUTCOME)]
    assert seqs == sorted(seqs)
    assert len(seqs) == 60


async def test_a_rebuild_tells_nothing_again(house: House) -> None:
    await house.ledger.record([hook("before", START), finished("success", START + 30)])
    told = house.rows(OUTCOME)
    from receiver.rebuild import rebuild, verify

    await asyncio.to_thread(rebuild, house.store)
    assert house.rows(OUTCOME) == told
    assert verify(house.store).differences == []
