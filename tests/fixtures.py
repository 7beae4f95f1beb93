"""Fixtures that tests of several rooms share: a store, and environments around parts of the receiver."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from receiver.maintenance.schema import open_store
from receiver.storage.engine import Store
from tests.http.api_env import ApiEnv, open_api_env
from tests.ledger.ledger_env import LedgerEnv, open_ledger_env
from tests.outcomes.delivery_env import DeliveryEnv, open_delivery_env
from tests.outcomes.subscriber import Subscriber
from tests.outcomes.subscriber import subscriber as open_subscriber


@pytest.fixture
def store(store_target: str) -> Iterator[Store]:
    """An empty store, on each of the databases."""
    with open_store(store_target) as store:
        yield store


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    """An empty store in a file, for what only SQLite has."""
    with open_store(tmp_path / "receiver.db") as store:
        yield store


@pytest.fixture
async def ledger_env(store_target: str) -> AsyncIterator[LedgerEnv]:
    """A store with a ledger that records and folds."""
    async with open_ledger_env(store_target) as ledger_env:
        yield ledger_env


@pytest.fixture
async def api_env(store_target: str) -> AsyncIterator[ApiEnv]:
    """A ledger that is asked over /v1."""
    async with open_api_env(store_target) as api_env:
        yield api_env


@pytest.fixture
async def delivery_env(store_target: str) -> AsyncIterator[DeliveryEnv]:
    """A ledger, subscriptions and a sender."""
    async with open_delivery_env(store_target) as delivery_env:
        yield delivery_env


@pytest.fixture
async def crm() -> AsyncIterator[Subscriber]:
    """A CRM that listens on a socket."""
    async with open_subscriber() as it:
        yield it
