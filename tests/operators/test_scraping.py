"""`receiver check --scrape` of a real Prometheus: whether it scrapes as often as rules and boards need it."""

import re
import time
from pathlib import Path
from typing import Any

import httpx2
import yaml
from prometheus_client import generate_latest

from receiver.cli.check_monitoring import SCRAPE_S, check_scrape
from receiver.maintenance.setup_checks import CheckResult
from receiver.maintenance.table_gauges import EVERY_S
from receiver.observability.metrics import Metrics
from tests.cli.test_check_monitoring import scraped
from tests.e2e.processes import free_port
from tests.operators.debian import Tools
from tests.operators.prometheus import running
from tests.operators.rulebook import CONFIG, read

BEGINS_S = 30.0


def job(name: str, interval: str, target: str, called: str) -> dict[str, Any]:
    relabelled = [{"target_label": "job", "replacement": called}]
    targets = [{"targets": [target]}]
    return {
        "job_name": name,
        "scrape_interval": interval,
        "scrape_timeout": "1s",
        "static_configs": targets,
        "relabel_configs": relabelled,
    }


def until_found(url: str, wanted: int) -> list[CheckResult]:
    """What is found once Prometheus has its targets, which takes seconds."""
    deadline = time.monotonic() + BEGINS_S
    while len(found := list(check_scrape(url))) < wanted and time.monotonic() < deadline:
        time.sleep(0.3)
    return found


def test_each_receiver_s_interval_is_held_against_the_boards(tools: Tools, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    with scraped(generate_latest(Metrics().registry)) as metrics:
        jobs = [
            job("as-told", "15s", "192.0.2.1:1", "receiver"),
            job("slow", "20s", "192.0.2.2:1", "receiver"),
            job("minutes", "1m30s", "192.0.2.3:1", "receiver"),
            job("named", "1s", httpx2.URL(metrics).netloc.decode(), "hooks"),
        ]
        config = tmp_path / "prometheus.yml"
        config.write_text(yaml.safe_dump({"scrape_configs": jobs}))
        options: tuple[str, ...] = (f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/data")
        options += (f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn")
        with running([tools.prometheus, *options], tools.home, f"{url}/-/ready"):
            found = until_found(url, 5)
            assert list(check_scrape(f"{url}/metrics")) == found
    told = {(each.subject.removeprefix("scrape of ").partition(":")[0], each.verdict) for each in found}
    assert told == {
        ("192.0.2.1", "ok"),
        ("192.0.2.2", "warning"),
        ("192.0.2.3", "failed"),
        ("127.0.0.1", "failed"),
        ("127.0.0.1", "ok"),
    }
    details = " ".join(each.detail for each in found)
    assert "every 1m30s" in details
    assert "its job is hooks" in details


def test_one_that_scrapes_no_receiver_is_told_so(tools: Tools, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    (tmp_path / "prometheus.yml").write_text("scrape_configs: []")
    options: tuple[str, ...] = (
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
    )
    options += (f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn")
    with running([tools.prometheus, *options], tools.home, f"{url}/-/ready"):
        (found,) = check_scrape(url)
    assert (found.verdict, found.detail) == (
        "failed",
        "it scrapes no receiver: add a job `receiver` to scrape_configs",
    )


def test_the_interval_is_that_of_our_scrape_file_of_grafana_and_of_what_is_worst_of_it() -> None:
    told = read(CONFIG / "prometheus/prometheus.yml")["global"]["scrape_interval"]
    (source,) = read(CONFIG / "grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert told == source["jsonData"]["timeInterval"] == f"{SCRAPE_S}s"
    assert EVERY_S == SCRAPE_S
    windows = re.findall(r"\[(\d+)m\]", (CONFIG / "prometheus/recording.yml").read_text())
    assert min(map(int, windows)) * 60 >= 4 * SCRAPE_S
