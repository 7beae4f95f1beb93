"""kill −9 while it delivers, and every outcome reaches the CRM all the same."""

from pathlib import Path

from tests.e2e.delivery import run


def test_a_receiver_killed_at_each_step_delivers_every_outcome_in_order(tmp_path: Path) -> None:
    outcome = run(tmp_path, tasks=100, kills=4, seed=3)
    assert outcome.missing == ()
    assert outcome.unordered == ()
    assert outcome.renamed == 0
    assert outcome.delivered == outcome.outcomes == 300
