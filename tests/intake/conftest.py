from collections.abc import AsyncIterator

import pytest

from tests.intake.door import Door, open_door


@pytest.fixture
async def door(store_target: str) -> AsyncIterator[Door]:
    async with open_door(store_target) as door:
        yield door
