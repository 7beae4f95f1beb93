"""The outbox is written in the transaction that folds: nothing false is told, nothing is forgotten."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import insert

from receiver.domain.facts import Fact, QueueSnapshot, queue_fact
from receiver.outcomes import outbox_sql
from receiver.outcomes.tables import MESSAGE, OUTCOME, SUBSCRIPTION
from tests.factories import ACCOUNT, START, finished, hook, seen, subscription
from tests.ledger.ledger_env import LedgerEnv

pytestmark = pytest.mark.anyio


async def subscribe(ledger_env: LedgerEnv, name: str, **changes: Any) -> None:
    row = subscription(name, **changes)
    await ledger_env.store.write(lambda connection: connection.execute(insert(SUBSCRIPTION), [row]))


async def test_outcomes_are_kept_without_any_subscription(ledger_env: LedgerEnv) -> None:
    await ledger_env.ledger.record([hook("before", START), hook("after", START + 30, result="failed")])
    assert [row["type"] for row in ledger_env.rows(OUTCOME)] == [
        "task.started",
        "task.attempt_started",
        "task.finished",
    ]
    assert ledger_env.rows(MESSAGE) == []


async def test_each_subscription_gets_what_it_wishes_for(ledger_env: LedgerEnv) -> None:
    await subscribe(ledger_env, "all")
    await subscribe(ledger_env, "ends", filter={"types": ["task.finished", "task.reconciled"]})
    await subscribe(ledger_env, "elsewhere", filter={"accounts": ["other"]})
    await subscribe(ledger_env, "queue", filter={"queues": ["5"], "results": ["connected"]})
    await subscribe(ledger_env, "over", state="disabled")
    await ledger_env.ledger.record([hook("before", START), finished("success", START + 30)])
    counts = dict.fromkeys(("all", "ends", "elsewhere", "queue", "over"), 0)
    for row in ledger_env.rows(MESSAGE):
        counts[row["subscription"]] += 1
    assert counts == {"all": 5, "ends": 2, "elsewhere": 0, "queue": 5, "over": 0}


async def test_a_fold_that_fails_tells_nothing(
    ledger_env: LedgerEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    await subscribe(ledger_env, "all")

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("torn")

    with monkeypatch.context() as broken:
        broken.setattr(outbox_sql, "add_messages", fail)
        with pytest.raises(RuntimeError):
            await ledger_env.ledger.record([finished("success", START)])
    assert (ledger_env.rows(OUTCOME), ledger_env.rows(MESSAGE), ledger_env.facts()) == ([], [], set())
    await ledger_env.ledger.record([finished("success", START)])
    assert len(ledger_env.rows(OUTCOME)) == len(ledger_env.rows(MESSAGE)) == 5


async def test_a_task_known_by_its_id_first_is_told_once(ledger_env: LedgerEnv) -> None:
    await subscribe(ledger_env, "all")
    await ledger_env.ledger.record([seen("executed", START, about=(None, "7"))])
    assert {row["key"] for row in ledger_env.rows(OUTCOME)} == {"#7"}
    await ledger_env.ledger.record([hook("before", START + 1, about=("r1", "7"))])
    await ledger_env.ledger.record([finished("success", START + 30, about=("r1", "7"))])
    rows = ledger_env.rows(OUTCOME)
    assert [row["type"] for row in rows].count("task.started") == 1
    assert {row["key"] for row in rows} == {row["key"] for row in ledger_env.rows(MESSAGE)} == {"r1"}


async def test_a_connection_that_proves_to_be_none_is_not_told_to_who_waits_for_proof(
    ledger_env: LedgerEnv,
) -> None:
    await subscribe(
        ledger_env, "sure", certainty="reconciled", filter={"types": ["task.connected", "task.finished"]}
    )
    await ledger_env.ledger.record([hook("before", START), hook("success", START + 20)])
    assert [row["state"] for row in ledger_env.rows(MESSAGE)] == ["held"]
    await ledger_env.ledger.record([finished("failed", START + 60)])
    states = {row["state"] for row in ledger_env.rows(MESSAGE)}
    assert [row["state"] for row in ledger_env.rows(MESSAGE)] == ["dropped", "waiting"], states


async def test_outcomes_are_numbered_in_the_order_of_their_commits(ledger_env: LedgerEnv) -> None:
    facts = [[hook("before", START + number, about=(f"r{number}", None))] for number in range(30)]
    await asyncio.gather(*(ledger_env.ledger.record(some) for some in facts))
    seqs = [row["seq"] for row in ledger_env.rows(OUTCOME)]
    assert seqs == sorted(seqs)
    assert len(seqs) == 60


async def test_a_rebuild_tells_nothing_again(ledger_env: LedgerEnv) -> None:
    await ledger_env.ledger.record([hook("before", START), finished("success", START + 30)])
    told = ledger_env.rows(OUTCOME)
    from tests.ledger.projecting import rebuild, verify

    await asyncio.to_thread(rebuild, ledger_env.store)
    assert ledger_env.rows(OUTCOME) == told
    assert verify(ledger_env.store).differences == []


async def test_events_carry_the_name_that_the_queue_had_when_they_were_published(
    ledger_env: LedgerEnv,
) -> None:
    def named(name: str, at: float) -> Fact:
        return queue_fact(ACCOUNT, at, QueueSnapshot("5", status="on", name=name))

    await ledger_env.ledger.record([seen("executed", START)])
    await ledger_env.ledger.record([named("sales", START + 20)])
    await ledger_env.ledger.record([hook("after", START + 30, result="failed")])
    await ledger_env.ledger.record([named("support", START + 35)])
    await ledger_env.ledger.record([finished("failed", START + 40)])
    names = {row["type"]: json.loads(row["data"])["queue_name"] for row in ledger_env.rows(OUTCOME)}
    assert names == {
        "task.started": None,
        "task.attempt_started": "sales",
        "task.finished": "sales",
        "task.reconciled": "support",
    }
