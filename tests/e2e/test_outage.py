"""The database goes away and comes back; or it stays, and cuts every connection, or is locked."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.e2e.outage import OutageEnv, Way, open_outage_env, outage


@pytest.fixture(scope="module")
def outage_env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OutageEnv]:
    with open_outage_env(tmp_path_factory.mktemp("outage")) as outage_env:
        yield outage_env


@pytest.mark.parametrize(
    ("way", "seconds"), [("cut", 1.0), ("ledger", 1.0), ("stop", 3.0), ("immediate", 0.5)]
)
def test_what_was_acknowledged_outlives_trouble_and_the_receiver_comes_back_by_itself(
    outage_env: OutageEnv, way: Way, seconds: float
) -> None:
    outcome = asyncio.run(outage(outage_env, seconds, way))
    assert outcome.is_good, outcome
    assert outcome.account.slowest_s < 10
    assert outcome.recovery_s < 10
