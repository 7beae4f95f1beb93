from collections.abc import AsyncIterator

import pytest

from receiver.store import replay
from tests.ledger.house import House, open_house


@pytest.fixture
async def house(store_target: str) -> AsyncIterator[House]:
    async with open_house(store_target) as house:
        yield house


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger is gone through in many parts, however small it is."""
    monkeypatch.setattr(replay, "TASKS", 7)
    monkeypatch.setattr(replay, "FACTS", 20)


@pytest.fixture
def some_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, in fewer."""
    monkeypatch.setattr(replay, "TASKS", 50)
