"""Whether a Prometheus scrapes receivers as often as rules and boards need it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2

from receiver.cli.checks import Check
from receiver.observability.metric_definitions import PREFIX

SCRAPE_S = 15
"""Seconds between two scrapes that boards, rules and the metrics of a worst value expect."""

_TIMEOUT_S = 10.0
_JOB = "receiver"
_EMPTY_S = 2 * SCRAPE_S
"""Boards reckon rates over the time of four scrapes: from here on fewer than two may fall into it."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_536_000.0}
_DURATION = re.compile(r"(\d+)(ms|[smhdwy])")


def fits_prometheus(url: str) -> Iterator[Check] | None:
    """How the Prometheus at this root scrapes receivers; None where there is no Prometheus."""
    root = url.rstrip("/").removesuffix("/metrics")
    try:
        targets = _ask(root, "targets", state="active")["activeTargets"]
        series = _ask(root, "query", query=f"group by (job, instance) ({PREFIX}build_info)")["result"]
        intervals = {_name(each["labels"]): each.get("scrapeInterval") for each in targets}
        receivers = {_name(each["metric"]) for each in series}
    except (httpx2.HTTPError, ValueError, KeyError, TypeError):
        return None
    receivers |= {name for name in intervals if name[0] == _JOB}
    return _checks(root, {name: intervals.get(name) for name in sorted(receivers)})


def _ask(root: str, path: str, **parameters: str) -> Any:
    """`data` of an answer. Raises ValueError, KeyError or TypeError where it is none of Prometheus."""
    answer = httpx2.get(f"{root}/api/v1/{path}", params=parameters, timeout=_TIMEOUT_S)
    return answer.json()["data"]


def _name(labels: Mapping[str, str]) -> tuple[str, str]:
    """Job and instance."""
    return labels.get("job", ""), labels.get("instance", "")


def _checks(root: str, intervals: Mapping[tuple[str, str], str | None]) -> Iterator[Check]:
    if not intervals:
        yield Check(
            f"scrape by {root}", "failed", "it scrapes no receiver: add a job `receiver` to scrape_configs"
        )
    for (job, instance), interval in intervals.items():
        if job != _JOB:
            problem = (
                f"its job is {job}: rules and boards ask for job {_JOB}, so call it that in scrape_configs"
            )
            yield Check(f"scrape of {instance}", "failed", problem)
        yield _interval(f"scrape of {instance}", interval)


def _interval(subject: str, interval: str | None) -> Check:
    """Whether rules and boards bear the interval, as Prometheus writes it; None: it does not tell."""
    if interval is None:
        return Check(
            subject, "warning", f"its interval is not told: see to it that it is {SCRAPE_S:g} s or less"
        )
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(interval))
    if seconds <= SCRAPE_S:
        return Check(subject, "ok", f"every {interval}")
    if seconds < _EMPTY_S:
        return Check(
            subject,
            "warning",
            f"every {interval}, and the boards expect {SCRAPE_S:g} s: scrape so often, or set the interval "
            "of Grafana's data source to yours",
        )
    return Check(
        subject,
        "failed",
        f"every {interval}: rates over a minute, which the boards show, are empty, and peaks are missed: set "
        f"scrape_interval to {SCRAPE_S:g}s",
    )
