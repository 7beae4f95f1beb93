"""Others' verifiers believe our deliveries, and no changed one."""

from pathlib import Path

import pytest

from tests.e2e.verifiers import run


def test_the_packages_of_pypi_and_npm_believe_our_deliveries_and_none_that_is_changed(tmp_path: Path) -> None:
    result = run(tmp_path, seed=1)
    assert [each.mistaken for each in result.verdicts.values()] == [0] * len(result.verdicts)
    if result.problem:
        pytest.skip(result.problem)
    assert result.is_good, result
