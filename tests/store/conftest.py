from collections.abc import Iterator
from pathlib import Path

import pytest

from receiver.store.engine import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "receiver.db")
    store.create()
    yield store
    store.close()
