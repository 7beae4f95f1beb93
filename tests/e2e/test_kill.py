"""Two processes, kill −9, and the truth all the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.kill import run
from tests.e2e.processes import Town


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = Town(tmp_path)
    yield town
    town.stop()


def test_a_receiver_killed_twice_has_all_that_it_acknowledged_and_finds_the_truth(town: Town) -> None:
    outcome = run(town, tasks=24, kills=2)
    assert outcome.missing == ()
    assert outcome.unfinished == 0
    assert outcome.comparison.disagreements == ()
    assert outcome.comparison.agree + outcome.comparison.not_known == 24
