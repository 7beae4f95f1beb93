from collections.abc import AsyncIterator

import pytest

from tests.intake.intake_env import IntakeEnv, open_intake_env
from tests.intake.listener_env import ListenerEnv, listening


@pytest.fixture
async def intake_env(store_target: str) -> AsyncIterator[IntakeEnv]:
    async with open_intake_env(store_target) as intake_env:
        yield intake_env


@pytest.fixture
async def env(anyio_backend: object) -> AsyncIterator[ListenerEnv]:
    async with listening() as env:
        yield env
