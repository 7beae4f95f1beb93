"""What is not a hook: probes, the scrape, and the id of every request."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import structlog
from sqlalchemy import Engine, event
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from receiver import app
from receiver.http.access_log import RequestLog
from receiver.observability.metric_definitions import METRICS
from tests.app.serving import Serving, serving

pytestmark = pytest.mark.anyio

SNAPSHOT = "callback_snapshot_last_success_timestamp_seconds{}"


@pytest.fixture
def lines() -> Iterator[list[structlog.typing.EventDict]]:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as captured:
        yield captured


async def test_a_receiver_that_cannot_commit_is_alive_but_not_ready(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(app, "_STORE_TIMEOUT_S", 0.1)
    async with serving(tmp_path) as service:
        with service.locked():
            answer = await service.http.get("/readyz")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert "locked" in answer.json()["problem"]
            assert (await service.http.get("/healthz")).status_code == 200
        assert (await service.http.get("/readyz")).json() == {"status": "ready"}


async def test_a_scrape_runs_no_sql(service: Serving) -> None:
    await service.hooks.get(service.hook("r1"))
    await service.until(SNAPSHOT)
    await service.receiver.caught_up()
    token = await service.token("read")
    said: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        said.append(statement)

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        await service.http.get("/metrics")
        assert said == []
        await service.http.get("/v1/tasks", headers=token)
        assert said != []
    finally:
        event.remove(Engine, "before_cursor_execute", hear)


async def test_a_scrape_has_every_metric_of_the_catalogue(service: Serving) -> None:
    await service.until(SNAPSHOT)
    text = (await service.http.get("/metrics")).text
    helped = set(re.findall(r"^# HELP callback_(\S+) ", text, re.MULTILINE))
    assert {each.exposed for each in METRICS.values()} == {f"callback_{name}" for name in helped}


async def test_known_label_sets_begin_at_zero(service: Serving) -> None:
    metrics = await service.metrics()
    for sample in (
        "intake_requests_total{before_again,unavailable}",
        "intake_requests_total{unknown,refused}",
        "anomalies_total{unreadable}",
        "drift_total{silent}",
        "lost_hooks_total{success}",
        "expected_hooks_total{after}",
        "reconcile_sweeps_total{failed}",
    ):
        assert metrics[f"callback_{sample}"] == 0


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/v1/tasks", "/nowhere", "/"])
async def test_every_answer_carries_an_id_the_callers_where_it_can_be_used(
    service: Serving, path: str
) -> None:
    given = await service.http.get(path, headers={"X-Request-Id": "trace-4711"})
    assert given.headers["x-request-id"] == "trace-4711"
    fresh = await service.http.get(path, headers={"X-Request-Id": "not usable\t!"})
    assert re.fullmatch("[0-9a-f]{32}", fresh.headers["x-request-id"])


async def test_one_line_is_logged_for_a_request_without_query_or_token(
    service: Serving, lines: list[structlog.typing.EventDict]
) -> None:
    headers = {"Authorization": "Bearer rcv_secret", "X-Request-Id": "trace-1"}
    await service.http.get("/v1/tasks?number=79161234567", headers=headers)
    (line,) = [line for line in lines if line["event"] == "request"]
    assert line.pop("ms") >= 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "request_id": "trace-1",
        "method": "GET",
        "path": "/v1/tasks",
        "status": 401,
    }


async def test_an_answer_to_a_failure_of_ours_has_an_id_and_is_logged(
    lines: list[structlog.typing.EventDict],
) -> None:
    async def fail(_request: Request) -> Response:
        raise RuntimeError("it fell over")

    transport = httpx2.ASGITransport(
        RequestLog(Starlette(routes=[Route("/", fail)])), raise_app_exceptions=False
    )
    async with httpx2.AsyncClient(transport=transport, base_url="http://receiver.test") as http:
        answer = await http.get("/", headers={"X-Request-Id": "trace-2"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "trace-2")
    assert [(line["request_id"], line["status"]) for line in lines] == [("trace-2", 500)]


async def test_what_is_logged_within_a_request_carries_its_id(
    lines: list[structlog.typing.EventDict],
) -> None:
    async def talk(_request: Request) -> Response:
        structlog.get_logger("ours").info("half way")
        return PlainTextResponse("well")

    transport = httpx2.ASGITransport(RequestLog(Starlette(routes=[Route("/", talk)])))
    async with httpx2.AsyncClient(transport=transport, base_url="http://receiver.test") as http:
        await http.get("/", headers={"X-Request-Id": "trace-3"})
    assert {line["event"]: line["request_id"] for line in lines} == {
        "half way": "trace-3",
        "request": "trace-3",
    }
