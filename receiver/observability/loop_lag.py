"""The delay of the event loop, which affects all requests."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from receiver.observability.metrics import Metrics

_INTERVAL_S = 0.5
_WINDOW = 30
"""Number of measurements whose maximum is shown: those of a scrape interval of 15 s."""


@asynccontextmanager
async def watching_the_loop(metrics: Metrics) -> AsyncIterator[None]:
    """Measure the delay inside the block."""
    task = asyncio.create_task(_watch(metrics), name="looplag")
    try:
        yield
    finally:
        task.cancel()


async def _watch(metrics: Metrics) -> None:
    loop = asyncio.get_running_loop()
    lags = deque[float](maxlen=_WINDOW)
    while True:
        due = loop.time() + _INTERVAL_S
        await asyncio.sleep(_INTERVAL_S)
        lags.append(max(0.0, loop.time() - due))
        metrics.loop_lag.set(max(lags))
