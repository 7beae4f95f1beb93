"""Business counters: each thing once, however often and in whatever order it is heard."""

import asyncio

import pytest

from receiver.domain.facts import EVENTS, Fact
from tests.factories import finished, gone, hook, queue, seen, settled
from tests.ledger.ledger_env import LedgerEnv, open_ledger_env

pytestmark = pytest.mark.anyio

STORY = [
    seen("scheduled", 900),
    hook("before", 1_000),
    seen("executed", 1_001),
    hook("before_again", 1_060),
    hook("before_again", 1_061),
    finished("failed", 1_300),
    settled(2_000),
    hook("after", 2_500),
]


async def record_all(ledger_env: LedgerEnv, facts: list[Fact]) -> None:
    for fact in facts:
        await ledger_env.ledger.record([fact])


async def test_a_task_is_opened_and_finished_once(ledger_env: LedgerEnv) -> None:
    await record_all(ledger_env, STORY)
    assert ledger_env.sample("tasks_opened_total", queue="5") == 1
    assert ledger_env.sample("tasks_finished_total", queue="5", finish_result="failed") == 1
    assert ledger_env.sample("task_attempts_sum", finish_result="failed") == 3


async def test_a_task_that_a_command_has_created_is_opened_once_it_begins(ledger_env: LedgerEnv) -> None:
    async with open_ledger_env(ledger_env.store_target) as command:
        await command.ledger.record([seen("scheduled", 900)])
        assert command.sample("tasks_opened_total", queue="5") == 0
    await record_all(ledger_env, [hook("before", 1_000), seen("executed", 1_001)])
    assert ledger_env.sample("tasks_opened_total", queue="5") == 1


async def test_hooks_expected_and_lost_are_counted_when_the_task_is_settled(ledger_env: LedgerEnv) -> None:
    await record_all(ledger_env, STORY[:6])
    assert sum(ledger_env.sample("expected_hooks_total", event=event) for event in EVENTS) == 0
    await record_all(ledger_env, STORY[6:])
    counts = {
        event: (
            ledger_env.sample("expected_hooks_total", event=event),
            ledger_env.sample("lost_hooks_total", event=event),
        )
        for event in EVENTS
    }
    assert counts == {"before": (1, 0), "before_again": (2, 1), "success": (0, 0), "after": (1, 1)}


async def test_drift_and_anomalies_are_counted_when_the_task_is_settled(ledger_env: LedgerEnv) -> None:
    odd = [hook("success", 1_100, readable=False), finished("failed", 1_300), settled(2_000)]
    await record_all(ledger_env, [*odd, hook("after", 2_500, readable=False)])
    assert ledger_env.sample("drift_total", kind="result") == 1
    assert ledger_env.sample("anomalies_total", kind="unreadable") == 1


async def test_hooks_that_come_after_their_task_is_settled_are_counted_as_they_come(
    ledger_env: LedgerEnv,
) -> None:
    await record_all(ledger_env, STORY)
    assert ledger_env.sample("anomalies_total", kind="late") == 1
    await record_all(ledger_env, [hook("success", 2_600), hook("success", 2_700)])
    assert ledger_env.sample("anomalies_total", kind="late") == 3


async def test_hearing_everything_again_counts_nothing(ledger_env: LedgerEnv) -> None:
    def counted() -> dict[str, float]:
        samples = (sample for metric in ledger_env.metrics.registry.collect() for sample in metric.samples)
        return {
            f"{sample.name}{sample.labels}": sample.value
            for sample in samples
            if sample.name.startswith("callback_") and not sample.name.startswith("callback_intake")
        }

    await record_all(ledger_env, STORY)
    once = counted()
    await record_all(ledger_env, STORY[::-1])
    await ledger_env.ledger.record(STORY)
    assert counted() == once


async def test_a_task_whose_whole_life_is_one_batch_is_counted_once(
    ledger_env: LedgerEnv, transactions: list[int]
) -> None:
    await asyncio.gather(*(ledger_env.ledger.record([fact]) for fact in STORY))
    assert sum(transactions) == len(STORY)
    assert len(transactions) <= 2
    assert ledger_env.sample("tasks_opened_total", queue="5") == 1
    assert ledger_env.sample("tasks_finished_total", queue="5", finish_result="failed") == 1
    assert ledger_env.sample("expected_hooks_total", event="before_again") == 2


async def test_a_task_first_known_by_its_id_is_opened_and_finished_once(ledger_env: LedgerEnv) -> None:
    by_id = (None, "7")
    await record_all(ledger_env, [hook("before", 1_000, about=by_id), finished("failed", 1_300, about=by_id)])
    await record_all(ledger_env, [settled(2_000, about=by_id), seen("executed", 2_100)])
    assert ledger_env.task()["key"] == "r1"
    opened = [ledger_env.sample("tasks_opened_total", queue=queue) for queue in ("unknown", "5")]
    assert sum(opened) == 1
    assert ledger_env.sample("tasks_finished_total", queue="5", finish_result="failed") == 1
    assert ledger_env.sample("expected_hooks_total", event="before") == 1


async def test_a_task_that_is_gone_is_finished_with_an_unknown_result(ledger_env: LedgerEnv) -> None:
    await record_all(ledger_env, [seen("executed", 1_001), gone(5_000), gone(6_000)])
    assert ledger_env.sample("tasks_finished_total", queue="5", finish_result="unknown") == 1


async def test_what_is_said_of_queues_counts_no_task(ledger_env: LedgerEnv) -> None:
    await ledger_env.ledger.record([queue(1.0)])
    assert ledger_env.sample("tasks_opened_total", queue="5") == 0
