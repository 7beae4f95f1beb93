from collections.abc import AsyncIterator

import pytest

from tests.api.rig import Rig, rig_on


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def rig(store_target: str) -> AsyncIterator[Rig]:
    async with rig_on(store_target) as rig:
        yield rig
