"""How late the event loop is."""

import asyncio
import time

import pytest

from receiver.observability.loop_lag import watching_the_loop
from receiver.observability.metrics import Metrics

pytestmark = pytest.mark.anyio


async def test_what_holds_the_loop_up_is_seen() -> None:
    metrics = Metrics()
    async with watching_the_loop(metrics):
        await asyncio.sleep(0.6)
        before = metrics.registry.get_sample_value("callback_event_loop_lag_seconds")
        time.sleep(1.0)  # noqa: ASYNC251 - that is what is measured
        await asyncio.sleep(0.2)
        after = metrics.registry.get_sample_value("callback_event_loop_lag_seconds")
    assert before is not None
    assert after is not None
    assert after > max(0.4, before)
