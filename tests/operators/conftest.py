"""What tests for operators share."""

import json
import logging
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
import structlog

from receiver.observability.logs import configure_logs
from tests.operators.collector import Collector, collector
from tests.operators.debian import Tools, find_tools


@pytest.fixture(scope="session")
def tools() -> Tools:
    """promtool, amtool and the servers that they belong to."""
    return find_tools()


Logged = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def collecting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector, to which spans are sent soon."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    with collector() as it:
        yield it


@pytest.fixture
def logged() -> Iterator[Logged]:
    """What has been logged by now, as `serve` logs it as JSON."""
    root, lines = logging.getLogger(), StringIO()
    handlers, level = root.handlers[:], root.level
    configure_logs("json", "warning")
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(lines)
    yield lambda: [json.loads(line) for line in lines.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
