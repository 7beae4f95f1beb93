"""The primary is lost; its standby takes over, behind the same address or another one."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.failover import Way, failover


@pytest.mark.parametrize("way", ["crash", "silent", "hosts"])
def test_a_standby_that_is_promoted_is_used_and_nothing_acknowledged_is_lost(
    tmp_path: Path, way: Way
) -> None:
    outcome = asyncio.run(failover(tmp_path, way, 1.0))
    assert outcome.is_good, outcome
