"""Spans harm nobody: not where they are not wanted, nor where their collector is in trouble."""

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.app.serving import serving
from tests.e2e.processes import free_port
from tests.operators.collector import Collector
from tests.operators.conftest import Logged
from tests.operators.traces_env import exported

BATCH = 10


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch, collecting: Collector) -> Collector:
    """A collector, to which few spans are sent at a time."""
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", str(BATCH))
    return collecting


async def hooks_and_stop(folder: Path, endpoint: str, hooks: int = 10 * BATCH) -> tuple[float, float]:
    """How long the slowest hook took, and the stop after them; a stop that nothing holds up takes 0.1 s."""
    slowest = 0.0
    async with serving(folder, traces={"endpoint": endpoint}) as service:
        for number in range(hooks):
            began = time.perf_counter()
            answer = await service.hooks.post(service.hook(f"r{number}"))
            slowest = max(slowest, time.perf_counter() - began)
            assert answer.status_code == 200
        began = time.perf_counter()
    return slowest, time.perf_counter() - began


async def exporters_end(within_s: float) -> bool:
    """Whether the threads that send spans end within this time."""
    threads = [thread for thread in threading.enumerate() if thread.name.startswith(("Otel", "traces"))]
    for thread in threads:
        await asyncio.to_thread(thread.join, within_s)
    return not any(thread.is_alive() for thread in threads)


@pytest.mark.anyio
async def test_a_collector_that_hangs_delays_neither_hooks_nor_the_stop(
    tmp_path: Path, small_batches: Collector, logged: Logged
) -> None:
    small_batches.hanging.set()
    slowest, stop = await hooks_and_stop(tmp_path, small_batches.endpoint)
    assert small_batches.spans == []
    assert slowest < 1
    assert stop < 4
    assert logged() == []
    small_batches.hanging.clear()
    assert await exporters_end(10), "or what they log is found in the next test"


@pytest.mark.anyio
async def test_a_collector_that_refuses_is_told_of_once(
    tmp_path: Path, small_batches: Collector, logged: Logged
) -> None:
    small_batches.status = 400
    slowest, stop = await hooks_and_stop(tmp_path, small_batches.endpoint)
    assert (slowest < 1, stop < 2) == (True, True)
    (line,) = logged()
    assert (line["event"], line["level"]) == ("spans are lost: the collector takes none", "warning")
    assert line["host"] == "127.0.0.1"
    assert line["lost"] in range(1, BATCH + 1)


@pytest.mark.anyio
async def test_where_nobody_listens_the_service_runs_and_stops_all_the_same(tmp_path: Path) -> None:
    slowest, stop = await hooks_and_stop(tmp_path, f"http://127.0.0.1:{free_port()}/v1/traces")
    assert (slowest < 1, stop < 4) == (True, True)
    assert await exporters_end(1), "nobody tries again after the stop"


@pytest.mark.anyio
async def test_too_many_spans_push_out_the_oldest(
    tmp_path: Path, small_batches: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", str(2 * BATCH))
    small_batches.hanging.set()
    async with serving(tmp_path, traces={"endpoint": small_batches.endpoint}) as service:
        for number in range(5 * BATCH):
            await service.hooks.post(service.hook(f"r{number}"))
        await service.receiver.caught_up()
        small_batches.hanging.clear()
        await exported(small_batches, "hook before")
    # One batch was under way, two waited.
    refs = [str(span.attributes["callback.ref"]) for span in small_batches.spans]
    assert len(refs) <= 4 * BATCH
    assert set(refs) >= {f"r{number}" for number in range(3 * BATCH, 5 * BATCH)}


def test_without_an_endpoint_nothing_of_it_is_loaded(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from random import Random
import receiver.cli
from receiver.api import create_app
from receiver.app import Receiver, Environment
from receiver.runtime.clock import WallClock
from receiver.server import Service
from tests.app.serving import some_settings
receiver = Receiver(some_settings(Path(sys.argv[1])), Environment(WallClock(), Random(1)))
create_app(receiver)
Service(receiver)
print([name for name in sys.modules if name.split(".")[0] in ("opentelemetry", "requests", "google")])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
