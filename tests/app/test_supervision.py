"""How often a worker that fails is started again, in time that the test makes pass."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from receiver.observability.metrics import Metrics
from receiver.runtime.workers import Supervisor

pytestmark = pytest.mark.anyio


class SkippingClock:
    """Sleeps by moving its hands; `slept` are the seconds asked for."""

    def __init__(self) -> None:
        self.at, self.slept = 1_000.0, list[float]()

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds
        await asyncio.sleep(0)

    def real(self, seconds: float) -> float:
        return seconds


class Scripted:
    """Each run does the next thing; when there is no more, it runs until `stop`, as it should."""

    name = "scripted"

    def __init__(self, *script: Callable[[], Awaitable[None]]) -> None:
        self.script, self.steady = list(script), asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        if self.script:
            await self.script.pop(0)()
            return
        self.steady.set()
        await stop.wait()


async def fail() -> None:
    raise RuntimeError("it fell over")


async def end_early() -> None:
    return


async def be_cancelled_from_within() -> None:
    inner = asyncio.ensure_future(asyncio.sleep(60))
    inner.cancel()
    await inner


@asynccontextmanager
async def supervised(worker: Scripted) -> AsyncIterator[tuple[SkippingClock, Metrics]]:
    clock, metrics = SkippingClock(), Metrics()
    async with asyncio.timeout(5), Supervisor([worker], clock, metrics):
        await worker.steady.wait()
        yield clock, metrics


def restarts(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("callback_worker_restarts_total", {"worker": "scripted"})


async def test_the_pause_doubles_with_each_failure_in_a_row_up_to_half_a_minute() -> None:
    async with supervised(Scripted(*[fail] * 9)) as (clock, metrics):
        assert clock.slept == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
        assert restarts(metrics) == 9


async def test_a_worker_that_ran_well_for_a_while_begins_with_a_short_pause() -> None:
    async def run_for_two_minutes() -> None:
        clock.at += 120
        raise RuntimeError("it fell over")

    clock, worker = SkippingClock(), Scripted(fail, fail, run_for_two_minutes, fail)
    async with asyncio.timeout(5), Supervisor([worker], clock, Metrics()):
        await worker.steady.wait()
    assert clock.slept == [0.5, 1, 0.5, 1]


@pytest.mark.parametrize("mishap", [end_early, be_cancelled_from_within])
async def test_a_worker_that_ends_before_it_is_told_to_is_started_again(
    mishap: Callable[[], Awaitable[None]],
) -> None:
    async with supervised(Scripted(mishap)) as (clock, metrics):
        assert clock.slept == [0.5]
        assert restarts(metrics) == 1


async def test_a_worker_that_ends_when_told_to_is_not_started_again() -> None:
    async with supervised(Scripted()) as (_, metrics):
        pass
    assert restarts(metrics) == 0


async def test_one_worker_that_fails_leaves_the_others_running() -> None:
    broken, sound = Scripted(*[fail] * 3), Scripted()
    async with asyncio.timeout(5), Supervisor([broken, sound], SkippingClock(), Metrics()):
        await asyncio.gather(broken.steady.wait(), sound.steady.wait())


async def test_a_supervisor_whose_tasks_are_cancelled_from_outside_ends() -> None:
    """As at the end of `asyncio.run`: a worker that came back then would keep the process alive."""
    others = asyncio.all_tasks()
    async with asyncio.timeout(5), Supervisor([worker := Scripted()], SkippingClock(), Metrics()):
        await worker.steady.wait()
        keepers = asyncio.all_tasks() - others
        for keeper in keepers:
            keeper.cancel()
        await asyncio.wait(keepers)
        assert all(keeper.cancelled() for keeper in keepers)
