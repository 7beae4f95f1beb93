"""The supervisor: restarts what fails, drains what runs."""

import asyncio

import pytest

from receiver.observability.logs import hide_secrets
from receiver.observability.metrics import Metrics
from receiver.runtime import workers
from receiver.runtime.clock import WallClock
from receiver.runtime.workers import Supervisor, pause

pytestmark = pytest.mark.anyio


class Failing:
    name = "failing"

    def __init__(self, failures: int) -> None:
        self.left, self.runs = failures, 0

    async def run(self, stop: asyncio.Event) -> None:
        self.runs += 1
        if self.left:
            self.left -= 1
            raise RuntimeError("it fell over")
        await stop.wait()


class Stubborn:
    name = "stubborn"

    async def run(self, stop: asyncio.Event) -> None:
        await asyncio.sleep(60)


async def test_a_worker_that_fails_is_started_again_later_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "_FIRST_PAUSE", 0.02)
    metrics, worker = Metrics(), Failing(3)
    async with Supervisor([worker], WallClock(), metrics), asyncio.timeout(10):
        while worker.runs < 4:
            await asyncio.sleep(0.02)
    assert metrics.registry.get_sample_value("callback_worker_restarts_total", {"worker": "failing"}) == 3


async def test_a_worker_that_always_fails_does_not_run_hot() -> None:
    worker = Failing(10**6)
    async with Supervisor([worker], WallClock(), Metrics()):
        await asyncio.sleep(1.0)
    assert worker.runs <= 3


async def test_a_worker_that_does_not_drain_is_cancelled_at_the_deadline() -> None:
    async with asyncio.timeout(5):
        async with Supervisor([Stubborn()], WallClock(), Metrics(), deadline=0.1):
            await asyncio.sleep(0.01)


async def test_a_pause_ends_with_the_stop() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, stop.set)
    async with asyncio.timeout(5):
        await pause(WallClock(), 60, stop)


def test_logs_hide_what_is_named_a_secret_and_what_looks_like_a_number() -> None:
    event = {
        "event": "called +79161234567 twice",
        "api_token": "abc",
        "seconds": 12,
        "id": "demo-79161234567",
    }
    hidden = hide_secrets(None, "info", dict(event))
    assert hidden == {
        "event": "called ••• twice",
        "api_token": "•••",
        "seconds": 12,
        "id": "demo-79161234567",
    }
