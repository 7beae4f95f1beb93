from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.postgres import postgres, prepared_database

__all__ = ["postgres"]

settings.register_profile("suite", max_examples=100, deadline=None)
settings.register_profile(
    "thorough", max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")

WHOLE_SERVICES = {"bench", "demo", "e2e"}
"""Folders of tests that start several processes each, with deadlines."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run beside each other, those with the most processes run one after the other."""
    tests = Path(__file__).parent
    for item in items:
        if WHOLE_SERVICES.intersection(item.path.relative_to(tests).parts):
            item.add_marker(pytest.mark.xdist_group("whole services"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store is, or can be made: a test that asks for it runs on both databases."""
    if request.param == "sqlite":
        return str(tmp_path / "receiver.db")
    return prepared_database(request.getfixturevalue("postgres"))
