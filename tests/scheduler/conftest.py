import random
from collections.abc import AsyncIterator

import httpx2
import pytest

from receiver.observability.metrics import Metrics
from receiver.scheduler.client import SchedulerClient
from tests.scheduler.scheduler_env import ACCOUNT, Script, SteppedClock


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def client(script: Script, clock: SteppedClock, metrics: Metrics) -> AsyncIterator[SchedulerClient]:
    """A client of the scripted scheduler, in process."""
    transport = httpx2.ASGITransport(app=script.app)
    async with SchedulerClient(
        ACCOUNT, clock=clock, rng=random.Random(1), transport=transport, metrics=metrics
    ) as client:
        yield client
