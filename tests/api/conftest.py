from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.rig import Rig, running_rig


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with running_rig(tmp_path) as rig:
        yield rig
