"""A subscriber that fails for a week, by a clock that is put forward."""

from pathlib import Path

import pytest

from tests.e2e.week import run

pytestmark = pytest.mark.anyio


async def test_a_week_of_failures_is_tried_as_scheduled_ends_the_subscription_and_is_made_up_for(
    tmp_path: Path,
) -> None:
    result = await run(tmp_path / "receiver.db", tasks=4, seed=1)
    assert result.is_good, result
