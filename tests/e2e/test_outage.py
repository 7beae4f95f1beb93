"""The database goes away and comes back."""

import asyncio
from pathlib import Path

from tests.e2e.outage import outage, town_on_postgres


def test_what_was_acknowledged_outlives_an_outage_and_the_receiver_comes_back_by_itself(
    tmp_path: Path,
) -> None:
    with town_on_postgres(tmp_path) as (town, server):
        outcome = asyncio.run(outage(town, server, seconds=3))
    assert outcome.is_good, outcome
    assert outcome.slowest_s < 10
    assert outcome.recovery_s < 10
