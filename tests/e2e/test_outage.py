"""The database goes away and comes back; or it stays, and cuts every connection, or is locked."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.e2e.outage import Ground, Way, ground_at, outage


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground_at(tmp_path_factory.mktemp("outage")) as ground:
        yield ground


@pytest.mark.parametrize(
    ("way", "seconds"), [("cut", 1.0), ("ledger", 1.0), ("stop", 3.0), ("immediate", 0.5)]
)
def test_what_was_acknowledged_outlives_trouble_and_the_receiver_comes_back_by_itself(
    ground: Ground, way: Way, seconds: float
) -> None:
    outcome = asyncio.run(outage(ground, seconds, way))
    assert outcome.is_good, outcome
    assert outcome.account.slowest_s < 10
    assert outcome.recovery_s < 10
