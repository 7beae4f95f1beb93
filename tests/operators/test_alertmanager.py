"""Alertmanager's example: valid, and who is told of what by a real one."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx2
import pytest

from tests.e2e.processes import free_port
from tests.operators.debian import Tools
from tests.operators.prometheus import running
from tests.operators.rulebook import CONFIG, rules

EXAMPLE = CONFIG / "alertmanager/alertmanager.yml"
Labels = Mapping[str, str]


def alert(name: str, **labels: str) -> Labels:
    """An alert of that name of ours, as Prometheus would send it."""
    severity = next(rule["labels"]["severity"] for rule in rules("alert") if rule["alert"] == name)
    return {"alertname": name, "severity": severity, "job": "receiver", **labels}


def test_it_is_valid(tools: Tools) -> None:
    assert "SUCCESS" in tools.run("amtool", "check-config", EXAMPLE)


@pytest.mark.parametrize(
    "rule", rules("alert"), ids=lambda rule: f"{rule['alert']} {rule['labels']['severity']}"
)
def test_pages_wake_and_tickets_wait(tools: Tools, rule: dict[str, dict[str, str]]) -> None:
    severity = rule["labels"]["severity"]
    test = ("config", "routes", "test", f"--config.file={EXAMPLE}", f"--verify.receivers={severity}")
    tools.run("amtool", *test, f"severity={severity}", f"alertname={rule['alert']}", "job=receiver")


@pytest.fixture(scope="module")
def alertmanager(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real one. It reaches nobody: the addresses of the example do not exist."""
    folder: Path = tmp_path_factory.mktemp("alertmanager")
    listens = f"127.0.0.1:{free_port()}"
    options = {
        "config.file": EXAMPLE,
        "storage.path": folder,
        "web.listen-address": listens,
        "cluster.listen-address": "",
        "log.level": "error",
    }
    command: list[str | Path] = [
        tools.alertmanager,
        *(f"--{name}={value}" for name, value in options.items()),
    ]
    with running(command, tools.home, f"http://{listens}/-/ready"):
        yield f"http://{listens}/api/v2/alerts"


BURNS = {"slo": "intake-available", "severity": "page"}
FOLLOWS = [
    (alert("ReceiverAbsent"), alert("IntakeSilent")),
    (alert("ReceiverDown", instance="a:1"), alert("SnapshotStale", instance="a:1")),
    (
        alert("IntakeErrorBudgetBurn", **BURNS),
        alert("IntakeErrorBudgetBurn", slo="intake-available", severity="ticket"),
    ),
    (alert("IntakeErrorBudgetBurn", **BURNS), alert("IntakeLatencyBudgetBurn", slo="intake-quick")),
    (alert("IntakeErrorBudgetBurn", **BURNS), alert("SnapshotStale", instance="a:1")),
    (alert("PipelineStalled", stage="read"), alert("InboxFilling")),
    (alert("ReconcileStale", account="main"), alert("PipelineStalled", stage="confirm")),
    (alert("ReconcileStale", account="main"), alert("ReconcileLateBudgetBurn", slo="reconciled-in-time")),
    (alert("SubscriptionDisabled", subscription="sub_1"), alert("DeadLettersGrowing", subscription="sub_1")),
]
STANDS_ALONE = [
    (alert("ReceiverDown", instance="a:1"), alert("SnapshotStale", instance="b:1")),
    (alert("ReceiverDown", instance="a:1"), alert("IntakeErrorBudgetBurn", **BURNS)),
    (alert("ReceiverAbsent"), alert("ReceiverAbsent")),
    (
        alert("IntakeErrorBudgetBurn", **BURNS),
        alert("IntakeLatencyBudgetBurn", slo="intake-quick", job="another"),
    ),
    (alert("PipelineStalled", stage="fold"), alert("InboxFilling")),
    (alert("PipelineStalled", stage="read"), alert("SetAside", kind="hook")),
    (alert("ReconcileStale", account="main"), alert("PipelineStalled", stage="fold")),
    (alert("ReconcileStale", account="main"), alert("PipelineStalled", stage="read")),
    (alert("SubscriptionDisabled", subscription="sub_1"), alert("DeadLettersGrowing", subscription="sub_2")),
]


def test_what_follows_from_something_else_is_not_told(alertmanager: str) -> None:
    # Each pair in a job of its own, those that stand alone first: they are known once the last is inhibited.
    pairs = [
        [dict(sorted({**each, "job": f"{number} {each['job']}"}.items())) for each in pair]
        for number, pair in enumerate([*STANDS_ALONE, *FOLLOWS])
    ]
    sent = [{"labels": labels} for pair in pairs for labels in pair]
    httpx2.post(alertmanager, json=sent).raise_for_status()
    follow = [other for _, other in pairs[len(STANDS_ALONE) :]]
    deadline = time.monotonic() + 10
    while any(each not in inhibited(alertmanager) for each in follow) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert sorted(inhibited(alertmanager), key=str) == sorted(follow, key=str)


def inhibited(alertmanager: str) -> list[Labels]:
    """The labels of the alerts that are not told since another one is."""
    alerts = httpx2.get(alertmanager).json()
    return [dict(sorted(each["labels"].items())) for each in alerts if each["status"]["inhibitedBy"]]
