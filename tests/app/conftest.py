from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.serving import Serving, serving


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving(tmp_path) as service:
        yield service
