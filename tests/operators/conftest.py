"""What tests for operators share."""

import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog

from receiver.logs import configure_logs
from tests.operators.collector import Collector, collector
from tests.operators.debian import Tools, find_tools


@pytest.fixture(scope="session")
def tools() -> Tools:
    """promtool, amtool and the servers that they belong to."""
    return find_tools()


@pytest.fixture
def collecting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector, to which spans are sent soon."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    with collector() as it:
        yield it


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[dict[str, object]]]]:
    """Logs go to stderr as JSON, as those of `serve` may: what has been logged by now."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logs("json", "warning")
    yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
