import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from receiver.maintenance.schema import create_tables
from receiver.storage.engine import Store
from tests.fixtures import api_env, crm, delivery_env, ledger_env, sqlite_store, store
from tests.postgres import borrowed_database, postgres

__all__ = ["api_env", "crm", "delivery_env", "ledger_env", "postgres", "sqlite_store", "store"]

settings.register_profile("suite", max_examples=100, deadline=None)
settings.register_profile(
    "thorough", max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")

WHOLE_SERVICES = ("tests/bench/", "tests/demo/", "tests/e2e/")
"""Tests that start several processes each, with deadlines."""


class OneByOne(LoadScopeScheduling):  # type: ignore[misc]
    """Where tests run beside each other, those with the most processes run one after the other."""

    def _split_scope(self, nodeid: str) -> str:
        return "whole services" if nodeid.startswith(WHOLE_SERVICES) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneByOne:
    return OneByOne(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one worker more than processors: the one with whole services waits most of the time."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(autouse=True)
def _default_logs() -> None:
    """Undo the logging of commands: loading one configures it for the whole process."""
    structlog.reset_defaults()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def prepared_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the receiver's tables, to be copied, which is quicker than making them."""
    path = tmp_path_factory.mktemp("prepared") / "receiver.db"
    with closing(Store(path)) as store:
        create_tables(store)
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def store_target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where an empty store is: a test that asks for it runs on both databases."""
    if request.param == "sqlite":
        yield shutil.copyfile(request.getfixturevalue("prepared_file"), str(tmp_path / "receiver.db"))
    else:
        with borrowed_database(request.getfixturevalue("postgres")) as url:
            yield url
