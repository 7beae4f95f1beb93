"""The benchmark of exports runs, and would notice rows that are missing."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from typer.testing import CliRunner

from tests.bench.__main__ import app
from tests.bench.bench_env import BenchError
from tests.bench.exporting import SUFFIXES, Way, _run
from tests.bench.year import LEAST

pytestmark = pytest.mark.slow


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that PostgreSQL may enter, which does not run as root; pytest's own are closed to others."""
    with TemporaryDirectory(prefix="pg-") as made:
        yield Path(made)


def test_export_runs_on_both_databases_and_leaves_nothing(folder: Path) -> None:
    result = folder / "result.json"
    options = f"--tasks {LEAST} --rounds 1 --folder {folder} --json {result}"
    done = CliRunner().invoke(app, ["export", *options.split()])
    assert done.exit_code == 0, done.output
    told = json.loads(result.read_text())
    limits = {each["name"]: each.get("at_least") for each in told["figures"]}
    assert limits["PostgreSQL: csv ÷ COPY"] == 0.3
    assert limits.get("SQLite: csv ÷ sqlite3 -csv") == (0.3 if shutil.which("sqlite3") else None)
    for database in ("SQLite", "PostgreSQL"):
        assert all(len(told["details"]["runs"][database][suffix]) == 1 for suffix in SUFFIXES)
    assert [*folder.iterdir()] == [result]


def test_rows_that_are_missing_fail_the_run(tmp_path: Path) -> None:
    way = Way("seq", ("seq", "99"), tmp_path / "tasks.csv")
    with pytest.raises(BenchError, match="seq wrote 99 rows of 100"):
        _run(way, 100)
