"""Strangers at a receiver that may open few files, and hooks beside them."""

from pathlib import Path

from tests.e2e.strangers import FRESH, Sizes, run

_FRESH_SHARE = 0.95

SIZES = Sizes(
    silent=400,
    trickling=20,
    heads=400,
    oversized=30,
    pipelined=30_000,
    unread=2,
    seconds=2.0,
    deadline_s=1.0,
)


def test_strangers_shut_out_no_hook_fill_no_memory_and_smuggle_nothing(tmp_path: Path) -> None:
    outcome = run(tmp_path, SIZES)
    # A sender beside other tests may take longer than the time that it has at the limit.
    assert set(outcome.faults) <= {FRESH}, outcome
    answers = outcome.fresh.answers
    assert answers.get("200", 0) >= _FRESH_SHARE * sum(answers.values()), outcome
    assert outcome.hooks.kept > 100
    assert {"limit", "head_timeout", "unread_timeout"} <= outcome.closed.keys()
    assert outcome.answers["heads"] == {"404": SIZES.heads}
