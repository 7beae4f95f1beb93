"""How late the event loop wakes whoever waits: what holds it up costs all others."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from receiver.observability.metrics import Metrics

_EVERY_S = 0.5
_KEPT = 30
"""Waits that the worst is looked for in: those of a scrape's interval."""


@asynccontextmanager
async def watching_the_loop(metrics: Metrics) -> AsyncIterator[None]:
    """Measure it meanwhile."""
    task = asyncio.create_task(_watch(metrics), name="looplag")
    try:
        yield
    finally:
        task.cancel()


async def _watch(metrics: Metrics) -> None:
    loop = asyncio.get_running_loop()
    lags = deque[float](maxlen=_KEPT)
    while True:
        asked = loop.time() + _EVERY_S
        await asyncio.sleep(_EVERY_S)
        lags.append(max(0.0, loop.time() - asked))
        metrics.loop_lag.set(max(lags))
