"""The receiver's role loses its grants, and gets them back."""

from pathlib import Path

from tests.e2e.revoke import run


def test_a_lost_grant_sets_nothing_aside_and_readyz_says_what_hooks_are_answered(
    tmp_path: Path, postgres: str
) -> None:
    outcome = run(tmp_path, postgres, ("inbox", "delivery", "dirty_task", "task"), 1.0)
    assert outcome.is_good, outcome
