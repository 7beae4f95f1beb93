"""The primary is lost; its standby takes over. The command has the other ways."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.failover import Way, failover


@pytest.mark.parametrize("way", ["crash"])
def test_a_standby_that_is_promoted_is_used_and_nothing_acknowledged_is_lost(
    tmp_path: Path, way: Way
) -> None:
    outcome = asyncio.run(failover(tmp_path, way, 1.0))
    assert outcome.is_good, outcome
