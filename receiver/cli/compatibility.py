"""Whether what watches the receiver fits this version of it: a scrape, rules, dashboards."""

import json
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx2
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from receiver.cli.checks import Check
from receiver.cli.scraping import fits_prometheus
from receiver.observability.metric_definitions import METRICS, PREFIX

_TIMEOUT_S = 10.0
_NAME = re.compile(rf"(?<![\w:]){PREFIX}\w+(?![\w:])")
"""A metric in an expression; what recording rules make has colons in its name."""

_TITLE = re.compile(r"^\s*(?:- )?(?:name|record|alert): .*$", re.MULTILINE)
"""A line of rules that is no part of an expression."""

_SAMPLES = {sample for declared in METRICS.values() for sample in declared.samples}


def fits_scrape(url: str) -> Iterator[Check]:
    """Whether there is a receiver of this version, with all its metrics. `url`: such as …/metrics; or the
    root of a Prometheus, which is asked how often it scrapes receivers.
    """
    subject = f"scrape {url}"
    try:
        answer = httpx2.get(url, timeout=_TIMEOUT_S)
        families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        yield Check(subject, "failed", f"{type(error).__name__}: is `receiver serve` running there?")
        return
    except ValueError:
        families = {}
    is_receiver = f"{PREFIX}build" in {name.removesuffix("_info") for name in families}
    if not is_receiver and (checks := fits_prometheus(url)):
        yield from checks
        return
    if not is_receiver:
        yield Check(
            subject,
            "failed",
            "these are not a receiver's metrics: is it the address of its /metrics, or of a Prometheus?",
        )
        return
    yield _same_version(subject, families.values())
    there = {name.removesuffix("_total").removesuffix("_info") for name in families}
    missing = [each.exposed for each in METRICS.values() if f"{PREFIX}{each.name}" not in there]
    if missing:
        yield Check(subject, "failed", f"lacks {', '.join(missing)}")


def _same_version(subject: str, families: Iterable[Metric]) -> Check:
    labels = [sample.labels for family in families for sample in family.samples if "version" in sample.labels]
    found, ours = (
        next((each["version"] for each in labels if "python" in each), "unknown"),
        version("receiver"),
    )
    if found != ours:
        return Check(subject, "warning", f"is version {found}, this is {ours}")
    return Check(subject, "ok", f"version {found}")


def fits_rules(path: Path) -> Check:
    """Whether all metrics in a file of rules, or in those of a folder, are metrics of this version."""
    files = sorted(path.glob("*.y*ml")) if path.is_dir() else [path]
    return _fits(
        f"rules {path}", files, [_TITLE.sub("", file.read_text("utf-8", "replace")) for file in files]
    )


def fits_dashboards(path: Path) -> Check:
    """Whether all metrics in a dashboard, or in those of a folder, are metrics of this version."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    try:
        texts = [" ".join(_expressions(json.loads(file.read_bytes()))) for file in files]
    except ValueError:
        return Check(f"dashboards {path}", "failed", "this is no JSON: is it the right place?")
    return _fits(f"dashboards {path}", files, texts)


def _expressions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (
            text for name, text in value.items() if name in ("expr", "query") and isinstance(text, str)
        )
        yield from (text for inner in value.values() for text in _expressions(inner))
    elif isinstance(value, list):
        yield from (text for inner in value for text in _expressions(inner))


def _fits(subject: str, files: list[Path], texts: list[str]) -> Check:
    found = {name for text in texts for name in _NAME.findall(text)}
    unknown = sorted(found - _SAMPLES)
    if not found:
        return Check(subject, "failed", "nothing there is about a receiver: is it the right place?")
    if unknown:
        return Check(subject, "failed", f"not of this version: {', '.join(unknown)}; take those it came with")
    return Check(subject, "ok", f"{len(files)} files, {len(found)} metrics of this version")
