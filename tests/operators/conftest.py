import pytest

from tests.operators.debian import Tools, find_tools


@pytest.fixture(scope="session")
def tools() -> Tools:
    """promtool, amtool and the servers that they belong to."""
    return find_tools()
