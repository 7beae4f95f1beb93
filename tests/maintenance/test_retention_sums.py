"""What was counted of tasks stays when they are deleted: figures do not change with age."""

import pytest

from receiver.analytics.report import MeasureReport
from receiver.maintenance.retention import RetentionRules
from receiver.storage.engine import Store
from tests.analytics.lives import Lives, ask
from tests.ledger.projecting import rebuild, verify
from tests.ledger.rebuild.sums import added_up, kept
from tests.maintenance.lives import DAY, days_ago, keys, prune, tell

pytestmark = pytest.mark.anyio

OLD = RetentionRules(tasks=30 * DAY)


async def filled(store: Store) -> None:
    lives = Lives()
    told = [
        lives.task(days_ago(40), ["b:USER_BUSY", "ok"]),
        lives.task(days_ago(35), ["a:NO_ANSWER", "a:NO_ANSWER", "a:NO_ANSWER"], queue="6"),
        lives.task(days_ago(5), ["ok"]),
    ]
    await tell(store, (), [fact for life in told for fact in life])


def answers(store: Store) -> list[MeasureReport]:
    return [
        ask(store, "success", "queue", "day"),
        ask(store, "success"),
        ask(store, "attempts", "attempt"),
        ask(store, "reasons", "reason", "leg"),
        ask(store, "timing"),
    ]


async def test_figures_are_the_same_after_the_tasks_have_gone(store: Store) -> None:
    await filled(store)
    before = answers(store)
    assert before[1].total["tasks"] == 3
    assert (await prune(store, OLD))["task"] == 2
    assert len(keys(store)) == 1
    for was, now in zip(before, answers(store), strict=True):
        assert (now.lines, now.total) == (was.lines, was.total)
    (hours, days), (old_hours, old_days) = kept(store), kept(store, retired=True)
    assert (hours, days) == added_up(store, "UTC")
    assert len(old_days) > 0
    assert sum(counts["tasks"] for key, counts in old_hours.items() if key[:2] == ("created", "all")) == 2


async def test_neither_a_rebuild_nor_its_proof_touches_them(store: Store) -> None:
    await filled(store)
    await prune(store, OLD)
    retired, answered = kept(store, retired=True), answers(store)
    assert verify(store).differences == []
    rebuild(store)
    assert kept(store, retired=True) == retired
    assert [each.total for each in answers(store)] == [each.total for each in answered]
    assert verify(store).differences == []
