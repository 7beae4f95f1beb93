"""Faults made on purpose fire their alert, and no other page: the quick ones; the command has them all."""

from pathlib import Path

import pytest

from tests.e2e.alarms import FAULTS, run
from tests.operators.debian import find_tools


@pytest.mark.parametrize("name", ["store", "clock"])
def test_a_fault_fires_its_alert_in_time_and_no_other_page(name: str, tmp_path: Path) -> None:
    outcome = run(FAULTS[name], find_tools(), tmp_path)
    assert outcome.is_good, outcome
