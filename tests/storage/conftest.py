from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from receiver.maintenance.schema import create_tables
from receiver.storage.engine import Store


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    """An empty store in a file, for what only SQLite has."""
    with closing(Store(tmp_path / "receiver.db")) as store:
        create_tables(store)
        yield store
