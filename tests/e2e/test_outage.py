"""The database goes away and comes back; or it stays, and cuts every connection, or is locked."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.outage import Way, ground_at, outage


@pytest.mark.parametrize(("way", "seconds"), [("stop", 3.0), ("immediate", 0.5), ("cut", 1.5)])
def test_what_was_acknowledged_outlives_trouble_and_the_receiver_comes_back_by_itself(
    tmp_path: Path, way: Way, seconds: float
) -> None:
    with ground_at(tmp_path) as ground:
        outcome = asyncio.run(outage(ground, seconds, way))
    assert outcome.is_good, outcome
    assert outcome.account.slowest_s < 10
    assert outcome.recovery_s < 10
