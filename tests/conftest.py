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


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store is, or can be made: a test that asks for it runs on both databases."""
    if request.param == "sqlite":
        return str(tmp_path / "receiver.db")
    return prepared_database(request.getfixturevalue("postgres"))
