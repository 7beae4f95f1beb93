from collections.abc import AsyncIterator

import pytest

from tests.delivery.office import Office, open_office
from tests.delivery.subscriber import Subscriber
from tests.delivery.subscriber import subscriber as open_subscriber


@pytest.fixture
async def office(store_target: str) -> AsyncIterator[Office]:
    async with open_office(store_target) as office:
        yield office


@pytest.fixture
async def crm() -> AsyncIterator[Subscriber]:
    async with open_subscriber() as it:
        yield it
