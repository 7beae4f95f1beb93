from collections.abc import AsyncIterator

import pytest

from tests.ledger.house import House, open_house


@pytest.fixture
async def house(store_target: str) -> AsyncIterator[House]:
    async with open_house(store_target) as house:
        yield house
