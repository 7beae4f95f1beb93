from collections.abc import AsyncIterator

import pytest

from tests.intake.door import Door, open_door
from tests.intake.listener_env import ListenerEnv, listening


@pytest.fixture
async def door(store_target: str) -> AsyncIterator[Door]:
    async with open_door(store_target) as door:
        yield door


@pytest.fixture
async def env(anyio_backend: object) -> AsyncIterator[ListenerEnv]:
    async with listening() as env:
        yield env
