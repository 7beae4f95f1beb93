"""PostgreSQL is behind PgBouncer in transaction mode."""

from pathlib import Path

from tests.e2e.pooler import run


def test_behind_a_pooler_all_hooks_are_taken_read_and_folded(tmp_path: Path, postgres: str) -> None:
    outcome = run(tmp_path, postgres, 300)
    assert outcome.is_good, outcome
