"""Checks of monitoring: metrics, rules and dashboards of this version, and the interval of scrapes."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx2
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from receiver.domain.network_errors import network_problem
from receiver.maintenance.setup_checks import CheckResult
from receiver.observability.metric_definitions import METRICS, PREFIX

SCRAPE_S = 15
"""Scrape interval in seconds that dashboards, rules and gauges of peaks expect."""

_TIMEOUT_S = 10.0
_JOB = "receiver"
_EMPTY_S = 2 * SCRAPE_S
"""Scrape interval in seconds from which on rates, taken over four expected scrapes, may be empty."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_536_000.0}
_DURATION = re.compile(r"(\d+)(ms|[smhdwy])")

_NAME = re.compile(rf"(?<![\w:]){PREFIX}\w+(?![\w:])")
"""A metric in an expression. Names made by recording rules contain colons."""

_TITLE = re.compile(r"^\s*(?:- )?(?:name|record|alert): .*$", re.MULTILINE)
"""A line of a rules file that is not part of an expression."""

_SAMPLES = {sample for metric in METRICS.values() for sample in metric.samples}


def check_scrape(url: str) -> Iterator[CheckResult]:
    """Check that a URL has all metrics of this version, or how often a Prometheus there scrapes."""
    subject = f"scrape {url}"
    try:
        answer = httpx2.get(url, timeout=_TIMEOUT_S)
        families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        problem = f"{network_problem(error, url)}; is `receiver serve` running there?"
        yield CheckResult(subject, "failed", problem)
        return
    except ValueError:
        families = {}
    names = {name.removesuffix("_total").removesuffix("_info") for name in families}
    if f"{PREFIX}build" not in names:
        yield from _check_prometheus(url) or [
            CheckResult(
                subject,
                "failed",
                "no metrics of a receiver: give the URL of its /metrics, or the root URL of a Prometheus",
            )
        ]
        return
    yield _check_version(subject, families.values())
    missing = [metric.exposed for metric in METRICS.values() if f"{PREFIX}{metric.name}" not in names]
    if missing:
        yield CheckResult(subject, "failed", f"lacks {', '.join(missing)}")


def _check_version(subject: str, families: Iterable[Metric]) -> CheckResult:
    labels = [sample.labels for family in families for sample in family.samples if "version" in sample.labels]
    found = next((label["version"] for label in labels if "python" in label), "unknown")
    if found != (ours := version("receiver")):
        return CheckResult(subject, "warning", f"is version {found}, this is {ours}")
    return CheckResult(subject, "ok", f"version {found}")


def _check_prometheus(url: str) -> list[CheckResult] | None:
    """Check how often the Prometheus at this root scrapes receivers; None if there is no Prometheus."""
    root = url.rstrip("/").removesuffix("/metrics")
    try:
        targets = _ask_prometheus(root, "targets", state="active")["activeTargets"]
        series = _ask_prometheus(root, "query", query=f"group by (job, instance) ({PREFIX}build_info)")[
            "result"
        ]
        intervals = {_target(target["labels"]): target.get("scrapeInterval") for target in targets}
        receivers = {_target(one["metric"]) for one in series}
    except (httpx2.HTTPError, ValueError, KeyError, TypeError):
        return None
    receivers |= {target for target in intervals if target[0] == _JOB}
    if not receivers:
        problem = "it scrapes no receiver: add a job `receiver` to scrape_configs"
        return [CheckResult(f"scrape by {root}", "failed", problem)]
    results = []
    for job, instance in sorted(receivers):
        subject = f"scrape of {instance}"
        if job != _JOB:
            problem = f"its job is {job}, but rules and dashboards expect {_JOB}: rename it in scrape_configs"
            results.append(CheckResult(subject, "failed", problem))
        results.append(_check_interval(subject, intervals.get((job, instance))))
    return results


def _ask_prometheus(root: str, path: str, **parameters: str) -> Any:
    """Return `data` of an answer. Raises ValueError, KeyError or TypeError if it is not of a Prometheus."""
    answer = httpx2.get(f"{root}/api/v1/{path}", params=parameters, timeout=_TIMEOUT_S)
    return answer.json()["data"]


def _target(labels: Mapping[str, str]) -> tuple[str, str]:
    """Return job and instance."""
    return labels.get("job", ""), labels.get("instance", "")


def _check_interval(subject: str, interval: str | None) -> CheckResult:
    """Check the interval, as Prometheus writes it; None if this Prometheus does not show it."""
    if interval is None:
        return CheckResult(
            subject, "warning", f"unknown interval: make sure that it is {SCRAPE_S:g} s or less"
        )
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(interval))
    if seconds <= SCRAPE_S:
        return CheckResult(subject, "ok", f"every {interval}")
    if seconds < _EMPTY_S:
        return CheckResult(
            subject,
            "warning",
            f"every {interval}, but dashboards expect {SCRAPE_S:g} s: set scrape_interval to {SCRAPE_S:g}s, "
            "or set the interval of Grafana's data source to yours",
        )
    return CheckResult(
        subject,
        "failed",
        f"every {interval}: rates over a minute are empty, and peaks are missed: set scrape_interval to "
        f"{SCRAPE_S:g}s",
    )


def check_rules(path: Path) -> CheckResult:
    """Check that all metrics in a file or folder of rules exist in this version."""
    files = sorted(path.glob("*.y*ml")) if path.is_dir() else [path]
    texts = [_TITLE.sub("", file.read_text("utf-8", "replace")) for file in files]
    return _check_names(f"rules {path}", files, texts)


def check_dashboards(path: Path) -> CheckResult:
    """Check that all metrics in a file or folder of dashboards exist in this version."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    try:
        texts = [" ".join(_expressions(json.loads(file.read_bytes()))) for file in files]
    except ValueError:
        return CheckResult(f"dashboards {path}", "failed", "not JSON: is it the right file?")
    return _check_names(f"dashboards {path}", files, texts)


def _expressions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (
            text for name, text in value.items() if name in ("expr", "query") and isinstance(text, str)
        )
        yield from (text for inner in value.values() for text in _expressions(inner))
    elif isinstance(value, list):
        yield from (text for inner in value for text in _expressions(inner))


def _check_names(subject: str, files: list[Path], texts: list[str]) -> CheckResult:
    found = {name for text in texts for name in _NAME.findall(text)}
    unknown = sorted(found - _SAMPLES)
    if not found:
        return CheckResult(subject, "failed", "no metrics of a receiver: is it the right file?")
    if unknown:
        problem = f"not in this version: {', '.join(unknown)}; use the files of this version"
        return CheckResult(subject, "failed", problem)
    return CheckResult(subject, "ok", f"{len(files)} files, {len(found)} metrics of this version")
