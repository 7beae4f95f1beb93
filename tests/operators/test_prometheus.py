"""A real Prometheus scrapes real metrics by our files, and our rules fire in it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import start_http_server

from receiver.observability.metrics import Metrics
from tests.operators.debian import Tools
from tests.operators.prometheus import Sped, Watch, running, running_prometheus
from tests.operators.rulebook import CONFIG, read, rules

DAY_S, FACTOR = 86_400, 60.0
RUNBOOK = read(CONFIG / "prometheus/prometheus.yml")["global"]["external_labels"]["runbook"]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def target(metrics: Metrics) -> Iterator[str]:
    server, thread = start_http_server(0, "127.0.0.1", metrics.registry)
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def history(target: str) -> str:
    """Forty hooks a minute around this time yesterday, for a Prometheus whose days are that much shorter."""
    name, begin = "callback_intake_requests", time.time() - DAY_S / FACTOR - 30
    labels = f'job="receiver",instance="{target}",event="after",outcome="recorded"'
    lines = [f"{name}_total{{{labels}}} {40 * n} {begin + n:.0f}" for n in range(120)]
    return "\n".join([f"# TYPE {name} counter", *lines, "# EOF", ""])


def test_rules_fire_in_it_as_in_life(tools: Tools, tmp_path: Path, metrics: Metrics, target: str) -> None:
    metrics.loop_lag.set(2)
    for _ in range(100):
        metrics.intake_answered("after", "recorded")
    nowhere = "127.0.0.1:1"
    watch = Watch([target, nowhere], Sped(60.0))
    with running_prometheus(tools, tmp_path, watch) as prometheus:
        assert prometheus.becomes(lambda it: it.firing() >= {"ReceiverDown", "EventLoopLag"}, 60)
        for _ in range(100):
            metrics.intake_answered("after", "unavailable")
        assert prometheus.becomes(lambda it: "IntakeErrorBudgetBurn" in it.firing("page"), 60)
        assert "ReceiverAbsent" not in prometheus.firing()
        links = {each["annotations"]["runbook_url"] for each in prometheus.alerts()}
        assert f"{RUNBOOK}#receiverdown" in links
        assert [each.value for each in prometheus.query(f'up{{instance="{nowhere}"}}')] == [0.0]
        assert [each.value for each in prometheus.query("1 + 1")] == [2.0]
        assert prometheus.failing_rules() == []


def test_it_knows_what_was_before(tools: Tools, tmp_path: Path, target: str) -> None:
    with running_prometheus(
        tools, tmp_path, Watch([target], Sped(FACTOR), history=history(target))
    ) as prometheus:
        assert prometheus.becomes(lambda it: "IntakeSilent" in it.firing("page"), 60)
        (alert,) = [each for each in prometheus.alerts() if each["labels"]["alertname"] == "IntakeSilent"]
        assert "there were 600." in alert["annotations"]["description"]


def test_durations_are_divided_and_limits_where_asked() -> None:
    sped = Sped(60.0, ages={"PipelineStalled"})
    quick = {rule["alert"]: sped.rule(rule) for rule in rules("alert")}
    assert quick["ReceiverDown"]["for"] == "2000ms"
    assert "[15000ms] offset 1440000ms]" in quick["IntakeSilent"]["expr"].replace(")", "]")
    assert quick["PipelineStalled"]["expr"].splitlines()[0].endswith("> 1")
    assert quick["PipelineStalled"]["expr"].splitlines()[1].endswith("> 15")
    assert "> 900" in quick["ReconcileStale"]["expr"]
    name = "job:callback_intake_bad:increase1h"
    (recorded,) = (sped.rule(rule) for rule in rules("record") if rule["record"] == name)
    assert recorded["record"] == name
    assert "[60000ms]" in recorded["expr"]


def test_a_server_that_does_not_start_is_told(tools: Tools) -> None:
    ends_at_once: list[str | Path] = [tools.promtool, "--version"]
    with (
        pytest.raises(AssertionError, match="did not get ready"),
        running(ends_at_once, tools.home, "http://127.0.0.1:1/"),
    ):
        pass
