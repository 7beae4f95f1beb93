"""The benchmark of the analysts' sums: its answers are right, over a year that the product counts alike."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from typer.testing import CliRunner

from receiver.analytics.rollup_check import TABLES, count_again, discrepancies, scratch, subtract_current
from receiver.analytics.rollups import Deltas, rollup_calendar
from receiver.storage.engine import Store
from tests.bench import year_stores
from tests.bench.__main__ import app
from tests.bench.asking import OTHER_ZONE, Filled, ask, ask_plainly, groups_of, insist_on_the_same
from tests.bench.bench_env import BenchError
from tests.bench.postgres import Postgres
from tests.bench.year import LEAST, ZONE

pytestmark = pytest.mark.slow

_FEW = 1000


def _quiet(_text: str) -> None:
    pass


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that PostgreSQL may enter, which does not run as root; pytest's own are closed to others."""
    with TemporaryDirectory(prefix="pg-") as made:
        yield Path(made)


@pytest.fixture(params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, folder: Path) -> Iterator[Filled]:
    """A database with a small year."""
    if request.param == "sqlite":
        yield Filled("SQLite", _FEW, year_stores.on_sqlite(folder, _FEW, _quiet))
        return
    postgres = Postgres(folder)
    try:
        url = year_stores.on_postgres(postgres, folder, _FEW, _quiet)
        assert year_stores.on_postgres(postgres, folder, _FEW, _quiet) == url
        yield Filled("PostgreSQL", _FEW, url)
    finally:
        postgres.stop()


def test_a_filled_year_has_the_sums_that_the_product_would_have_kept(filled: Filled) -> None:
    with closing(Store(filled.target)) as store, store.snapshot() as connection, scratch() as into:
        assert count_again(connection, Deltas(rollup_calendar(connection)), into) == _FEW
        subtract_current(connection, into)
        assert [sums for table in TABLES for sums in discrepancies(into, table)] == []


def test_an_answer_that_is_not_counted_over_the_tasks_fails_the_run(filled: Filled) -> None:
    truth = ask_plainly(filled)
    assert sum(tasks for tasks, *_ in truth.values()) == _FEW
    with closing(Store(filled.target)) as store:
        for zone in (ZONE, OTHER_ZONE):
            insist_on_the_same(groups_of(ask(store, zone)), truth, zone)
        with store.transaction() as connection:
            connection.exec_driver_sql("UPDATE rollup_day SET failed = failed + 1 WHERE queue_id = '20003'")
        with pytest.raises(BenchError, match=r"100 groups differ .* such as .'20003', '2025-01-01'"):
            insist_on_the_same(groups_of(ask(store)), truth, ZONE)


def test_analytics_runs_on_both_databases_and_leaves_only_what_is_to_be_kept(folder: Path) -> None:
    result, kept = folder / "result.json", folder / "kept"
    sizes = f"--tasks {LEAST} --small {LEAST} --rounds 2 --repeats 2 --plain-rounds 1"
    places = f"--keep {kept} --folder {folder} --json {result}"
    done = CliRunner().invoke(app, ["analytics", *sizes.split(), *places.split()])
    assert done.exit_code == 0, done.output
    told = json.loads(result.read_text())
    for name in ("SQLite", "PostgreSQL"):
        assert told["details"][name]["groups"] == told["details"][name]["rows"]["task"] == LEAST
    limits = {each["name"]: each.get("at_most") or each.get("at_least") for each in told["figures"]}
    assert limits["PostgreSQL: 3,650 tasks ÷ 3,650"] == 1.5
    assert limits["SQLite: plain GROUP BY ÷ sums, 3,650 tasks"] == 100
    assert limits["PostgreSQL: by day and queue, p95"] == 50
    assert sorted(each.name for each in folder.iterdir()) == ["kept", "result.json"]
    assert len([*kept.glob("year_*.db")]) == 1
