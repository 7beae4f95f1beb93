"""Workers, and the supervisor that starts, restarts and drains them."""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Protocol

import structlog

from receiver.observability.metrics import Metrics
from receiver.runtime.clock import Clock

_log = structlog.get_logger("receiver.workers")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
"""Shortest and longest pause in seconds before a failed worker restarts; doubled after each failure."""

_STEADY_S = 60.0
"""Seconds of work after which a failure has the first pause again."""


class Worker(Protocol):
    """A part that runs until `stop` is set, then finishes its current work and returns."""

    name: str

    async def run(self, stop: asyncio.Event) -> None: ...


async def pause(clock: Clock, seconds: float, stop: asyncio.Event) -> None:
    """Sleep, but end when `stop` is set."""
    waits = [asyncio.ensure_future(clock.sleep(seconds)), asyncio.ensure_future(stop.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def keep_running(worker: Worker, stop: asyncio.Event, clock: Clock, metrics: Metrics) -> None:
    """Run a worker until `stop`. Restart it after a pause if it fails or ends."""
    wait = _FIRST_PAUSE
    while not stop.is_set():
        began = clock.now()
        await _attempt(worker, stop)
        if stop.is_set():
            return
        metrics.worker_restarts.labels(worker.name).inc()
        wait = _FIRST_PAUSE if clock.now() - began > _STEADY_S else wait
        await pause(clock, wait, stop)
        wait = min(wait * 2, _LONGEST_PAUSE)


async def _attempt(worker: Worker, stop: asyncio.Event) -> None:
    """Run the worker once and log its failure. Only our own cancellation is raised."""
    try:
        await worker.run(stop)
        if not stop.is_set():
            _log.error("worker ended early", worker=worker.name)
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) and task.cancelling():
            raise
        _log.error("worker failed", worker=worker.name, error="CancelledError")
    except Exception as error:
        _log.exception("worker failed", worker=worker.name, error=type(error).__name__)


class Supervisor:
    """Runs workers inside an `async with`. At its end they have `deadline` seconds to drain."""

    def __init__(
        self, workers: Iterable[Worker], clock: Clock, metrics: Metrics, deadline: float = 10.0
    ) -> None:
        self._workers = tuple(workers)
        self._clock = clock
        self._metrics = metrics
        self._deadline = deadline
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        for worker in self._workers:
            metrics.worker_restarts.labels(worker.name)

    async def __aenter__(self) -> "Supervisor":
        self._tasks = [
            asyncio.create_task(
                keep_running(worker, self._stop, self._clock, self._metrics), name=worker.name
            )
            for worker in self._workers
        ]
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=self._deadline)
        for task in late:
            _log.warning("worker did not drain in time", worker=task.get_name(), deadline_s=self._deadline)
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
