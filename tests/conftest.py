import pytest
from hypothesis import HealthCheck, settings

from tests.postgres import postgres

__all__ = ["postgres"]

settings.register_profile("suite", max_examples=200, deadline=None)
settings.register_profile(
    "thorough", max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
