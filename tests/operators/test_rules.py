"""The rules: sound, each proven by cases in which it must and must not fire, and true to the catalogue."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from receiver.maintenance.schema import create_tables
from receiver.maintenance.table_gauges import SnapshotWorker
from receiver.observability.metric_definitions import METRICS, MetricDefinition
from receiver.observability.metrics import Metrics
from receiver.runtime.clock import WallClock
from receiver.storage.engine import Store
from tests.operators.debian import Tools
from tests.operators.rulebook import BOARDS, CASES, CONFIG, RULE_FILES, Asked, asked, grouped, read, rules

SAMPLES = {name: declared for declared in METRICS.values() for name in declared.samples}
TARGET = {"job", "instance"}
RECORDED = {rule["record"] for rule in rules("record")}
NOT_OURS = {"up", "process_start_time_seconds"}
"""What Prometheus adds to every target, and prometheus_client to every process."""

ALERTS = [(rule["alert"], rule["labels"]["severity"]) for rule in rules("alert")]
EVERY_RULE = [*rules("record"), *rules("alert")]


def names(rule: dict[str, Any]) -> str:
    return f"{rule.get('record') or rule['alert']}"


def test_the_scrape_file_is_valid(tools: Tools) -> None:
    tools.run("promtool", "check", "config", CONFIG / "prometheus/prometheus.yml")


def test_the_rules_are_sound(tools: Tools) -> None:
    tools.run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *RULE_FILES)


@pytest.mark.anyio
async def test_what_is_scraped_is_named_as_is_usual(tools: Tools, tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.expect_queue("17")
    metrics.expect_subscription("sub_1")
    with closing(Store(str(tmp_path / "receiver.db"))) as store:
        create_tables(store)
        await SnapshotWorker(store, WallClock(), metrics).refresh()
    scraped = generate_latest(metrics.registry).decode()
    assert "callback_pipeline_backlog{" in scraped
    tools.run("promtool", "check", "metrics", said=scraped)


@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_the_cases_come_out_as_they_must(tools: Tools, cases: Path) -> None:
    tools.run("promtool", "test", "rules", cases)


@pytest.mark.parametrize(("alert", "severity"), ALERTS)
def test_every_alert_has_cases_in_which_it_must_and_must_not_fire(alert: str, severity: str) -> None:
    cases = [
        case for path in CASES for test in read(path)["tests"] for case in test.get("alert_rule_test", ())
    ]
    expected = [
        any(each["exp_labels"]["severity"] == severity for each in case["exp_alerts"])
        for case in cases
        if case["alertname"] == alert
    ]
    assert set(expected) == {True, False}


def test_everything_that_is_recorded_is_tried() -> None:
    tests = [test for path in CASES for test in read(path)["tests"]]
    tried = [each["expr"] for test in tests for each in test.get("promql_expr_test", ())]
    assert {each.name for expression in tried for each in asked(expression)} >= RECORDED


@pytest.mark.parametrize("rule", EVERY_RULE, ids=names)
def test_rules_ask_for_nothing_that_is_not_declared(rule: dict[str, Any]) -> None:
    for each in asked(rule["expr"]):
        if each.name in SAMPLES:
            _is_declared(each, SAMPLES[each.name])
        else:
            assert each.name in RECORDED | NOT_OURS


def _is_declared(asked: Asked, declared: MetricDefinition) -> None:
    known = dict(zip(declared.labels, declared.known, strict=False))
    if asked.name.endswith("_bucket"):
        known["le"] = tuple(f"{float(bound)}" for bound in declared.bounds)
    for label, value in asked.labels:
        assert label in {*declared.labels, *TARGET, *known}
        assert label not in known or set(value.split("|")) <= set(known[label])


@pytest.mark.parametrize("rule", EVERY_RULE, ids=names)
def test_rules_group_by_labels_that_there_are(rule: dict[str, Any]) -> None:
    declared = [SAMPLES[each.name].labels for each in asked(rule["expr"]) if each.name in SAMPLES]
    there = {label for labels in declared for label in labels} | TARGET | {"account"}
    assert set(grouped(rule["expr"])) <= there


@pytest.mark.parametrize("rule", rules("alert"), ids=names)
def test_alerts_say_all_that_is_needed(rule: dict[str, Any]) -> None:
    said = rule["annotations"]
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert ("slo" in rule["labels"]) == rule["alert"].endswith("BudgetBurn")
    assert said["runbook_url"] == f"{{{{ $externalLabels.runbook }}}}#{rule['alert'].lower()}"
    assert said["dashboard"] in BOARDS
    assert said["summary"]
    assert "{{ $labels." in said["description"]
