from collections.abc import Iterator
from contextlib import closing

import pytest

from receiver.store.engine import Store


@pytest.fixture
def store(store_target: str) -> Iterator[Store]:
    """An empty store, on each of the databases."""
    with closing(Store(store_target)) as store:
        store.create()
        yield store
