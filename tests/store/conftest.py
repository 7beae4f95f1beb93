from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from receiver.store.engine import Store


@pytest.fixture
def store(store_target: str) -> Iterator[Store]:
    """An empty store, on each of the databases."""
    with closing(Store(store_target)) as store:
        store.create()
        yield store


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    """An empty store in a file, for what only SQLite has."""
    with closing(Store(tmp_path / "receiver.db")) as store:
        store.create()
        yield store
