"""`receiver check`: whether a scrape, rules and dashboards are of this version."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from receiver.cli.check_monitoring import check_dashboards, check_rules, check_scrape
from receiver.observability.metrics import Metrics
from tests.cli.shell import Shell


@contextmanager
def scraped(text: bytes) -> Iterator[str]:
    """Where these metrics are to be had."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_args: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/metrics"
        finally:
            server.shutdown()
            thread.join()


def test_metrics_that_a_scrape_lacks_are_named() -> None:
    with scraped(generate_latest(Metrics().registry)) as url:  # nobody has counted the tables
        build, lacking = check_scrape(url)
    assert (build.verdict, build.detail) == ("ok", "version 0.1.0")
    assert lacking.verdict == "failed"
    assert "callback_delivery_dead_letters" in lacking.detail
    assert "callback_intake_requests_total" not in lacking.detail


def test_another_version_is_warned_of() -> None:
    text = generate_latest(Metrics().registry).replace(b'version="0.1.0"', b'version="0.0.9"')
    with scraped(text) as url:
        build = next(check_scrape(url))
    assert (build.verdict, build.detail) == ("warning", "is version 0.0.9, this is 0.1.0")


@pytest.mark.parametrize("text", [b"<html>", b"# HELP up x\nup 1\n", b""])
def test_what_is_no_receiver_fails(text: bytes) -> None:
    with scraped(text) as url:
        (found,) = check_scrape(url)
    assert found.verdict == "failed"
    assert "no metrics of a receiver" in found.detail


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/metrics", "nonsense", "http://[::1/metrics"])
def test_where_nobody_answers_it_says_what_to_look_at(url: str) -> None:
    (found,) = check_scrape(url)
    assert found.verdict == "failed"
    assert "is `receiver serve` running there?" in found.detail


def test_a_metric_of_another_version_is_named(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text("expr: rate(callback_intake_requests_total[5m]) > 0 and job:callback_x:ratio > 1")
    assert check_rules(rules).verdict == check_rules(tmp_path).verdict == "ok"
    rules.write_text(
        "- name: callback_group\n  rules:\n  - expr: rate(callback_hooks_total[5m]) > callback_tasks"
    )
    found = check_rules(rules)
    assert (found.verdict, found.detail) == (
        "failed",
        "not in this version: callback_hooks_total; use the files of this version",
    )


def test_what_are_no_rules_of_ours_fails(tmp_path: Path) -> None:
    (tmp_path / "other.yml").write_bytes(b"\xff\xfe\x00")
    assert "is it the right file?" in check_rules(tmp_path).detail


def test_only_the_expressions_of_a_dashboard_count(tmp_path: Path) -> None:
    board = tmp_path / "board.json"
    panel = {"title": "callback_nothing", "targets": [{"expr": "callback_tasks"}]}
    board.write_text(
        json.dumps({"panels": [panel], "templating": {"list": [{"query": "callback_drift_total"}]}})
    )
    found = check_dashboards(tmp_path)
    assert (found.verdict, found.detail) == ("ok", "1 files, 2 metrics of this version")
    panel["targets"] = [{"expr": "callback_task"}]
    board.write_text(json.dumps({"panels": [panel]}))
    assert "callback_task;" in check_dashboards(board).detail


@pytest.mark.parametrize("text", ["no JSON", "{}"])
def test_what_is_no_dashboard_of_ours_fails(text: str, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(text)
    found = check_dashboards(tmp_path)
    assert found.verdict == "failed"
    assert "is it the right file?" in found.detail


def test_the_command_looks_at_all_that_it_is_given(office: Shell, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text("expr: callback_tasks > callback_gone")
    said = office.run("check", "--json", "--rules", str(tmp_path), "--scrape", "http://127.0.0.1:9/metrics")
    assert said.status == 1
    verdicts = {check["subject"]: check["verdict"] for check in said.json}
    assert verdicts[f"rules {tmp_path}"] == verdicts["scrape http://127.0.0.1:9/metrics"] == "failed"
    refused = office.run("check", "--dashboards", str(tmp_path / "nowhere"))
    assert refused.status == 2
