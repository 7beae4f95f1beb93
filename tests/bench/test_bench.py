"""The benchmark itself works, and would notice a loss."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.bench.__main__ import app
from tests.bench.bench_env import BenchError
from tests.bench.console_pages import unmeasured
from tests.bench.rounds import turns
from tests.bench.verify import verify

CONTESTANTS = ("noop", "receiver-sqlite", "plain-sqlite")


def test_ingest_runs_all_that_need_no_server_and_finds_every_event(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    options = f"--rounds 2 --seconds 0.3 --warmup 0.1 --connections 8 --only {','.join(CONTESTANTS)}"
    done = CliRunner().invoke(
        app, ["ingest", *options.split(), "--folder", str(tmp_path), "--json", str(result)]
    )
    assert done.exit_code == 0, done.output
    told = json.loads(result.read_text())
    assert tuple(told["contestants"]) == CONTESTANTS
    assert {each["round"] for each in told["samples"]} == {1, 2}
    for name in ("receiver-sqlite", "plain-sqlite"):
        found = told["contestants"][name]
        assert found["acknowledged"] == found["stored"] > 0
        assert found["missing"] == found["doubled"] == found["refused"] == 0
    assert {each["name"] for each in told["figures"]} >= {
        "SQLite ÷ no-op route",
        "SQLite ÷ commit per request",
    }
    assert list(tmp_path.iterdir()) == [result]


def test_an_acknowledged_event_that_is_not_stored_fails_the_run() -> None:
    verdict = verify(["one", "two"], ["one", "never acknowledged"])
    assert (verdict.stored, verdict.missing) == (1, ("two",))
    with pytest.raises(BenchError, match="1 are missing"):
        verdict.insist("receiver")


def test_an_event_that_is_stored_twice_fails_the_run() -> None:
    with pytest.raises(BenchError, match="1 doubled, such as one"):
        verify(["one"], ["one", "one"]).insist("receiver")


def test_an_unknown_contestant_is_named_with_those_that_there_are() -> None:
    done = CliRunner().invoke(app, ["ingest", "--only", "nobody"])
    assert done.exit_code == 2
    assert "receiver-sqlite" in done.output


def test_each_round_has_everyone_once_and_the_order_changes() -> None:
    names = ("a", "b", "c", "d")
    order = [[name for turn, name in turns(names, 6, seed=1) if turn == number] for number in range(1, 7)]
    assert all(sorted(each) == list(names) for each in order)
    assert len({tuple(each) for each in order}) > 1


def test_scrape_measures_both_and_says_what_one_scrape_costs(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    options = "--rounds 1 --seconds 0.5 --warmup 0.1 --connections 8 --every 0.05"
    done = CliRunner().invoke(
        app, ["scrape", *options.split(), "--folder", str(tmp_path), "--json", str(result)]
    )
    assert done.exit_code == 0, done.output
    told = json.loads(result.read_text())
    assert list(told["contestants"]) == ["receiver-sqlite", "receiver-sqlite, scraped"]
    assert [each["name"] for each in told["figures"]] == [
        "scraped every 0.05 s ÷ not scraped",
        "lost to a scrape every 15 s",
    ]


def test_find_looks_for_numbers_that_are_in_the_store(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    options = "--tasks 1000 --requests 20 --stories 0 --rounds 0 --only sqlite"
    done = CliRunner().invoke(
        app, ["find", *options.split(), "--folder", str(tmp_path), "--json", str(result)]
    )
    assert done.exit_code == 0, done.output
    names = [each["name"] for each in json.loads(result.read_text())["figures"]]
    assert names == [
        "find by a customer's number, p95, 1,000 tasks, sqlite",
        "find by a number of a hundredth of all tasks, p95, 1,000 tasks, sqlite",
        "find by the last four digits, p95, 1,000 tasks, sqlite",
    ]


def test_console_measures_its_pages_and_hooks_beside_open_ones(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    options = "--tasks 3650 --requests 20 --only sqlite --rounds 1 --consoles 3 --rate 50 --seconds 0.5"
    done = CliRunner().invoke(
        app, ["console", *options.split(), "--folder", str(tmp_path), "--json", str(result)]
    )
    assert done.exit_code == 0, done.output
    names = [each["name"] for each in json.loads(result.read_text())["figures"]]
    assert "/queues, p95 (least: p50), 3,650 tasks, sqlite" in names
    assert "hooks' p99 with 3 open consoles ÷ without" in names
    assert unmeasured() == set()
