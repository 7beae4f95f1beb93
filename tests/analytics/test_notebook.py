"""How analysts work with exports, as in a notebook: one Parquet file each of tasks and attempts, and then the
same two figures with three tools, which agree, and agree with `receiver report`.
"""

from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest

from tests.analytics.lives import Lives, at, told
from tests.cli.shell import Shell

ZONE = "Europe/Moscow"

Rates = dict[str, tuple[int, int]]
"""Day or attempt → (so many, of so many)."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Three days of tasks, of which one begins shortly before midnight in Moscow, and one is open."""
    shell = Shell(tmp_path_factory.mktemp("notebook"), "http://127.0.0.1:9")
    shell.configure()
    lives, busy = Lives(), "b:USER_BUSY"
    some = [
        *(lives.task(at("2026-03-10 09:00"), ["ok"]) for _ in range(4)),
        lives.task(at("2026-03-10 09:30"), [busy, "ok"]),
        lives.task(at("2026-03-10 20:59:59"), [busy, busy, "ok"]),
        lives.task(at("2026-03-10 21:01"), [busy, busy, busy]),
        *(lives.task(at("2026-03-12 12:00"), ["a:NO_ANSWER", "ok"]) for _ in range(2)),
        lives.task(at("2026-03-12 12:30"), [busy, busy, busy]),
        lives.task(at("2026-03-12 13:00"), [busy], is_open=True),
    ]
    with told(str(shell.store), *some):
        pass
    for name in ("tasks", "attempts"):
        out = str(shell.folder / f"{name}.parquet")
        assert shell.run("export", name, "--out", out, "--config", str(shell.config)).status == 0
    return shell


# By SQL, with DuckDB.


def success_by_day_with_duckdb(tasks: Path) -> Rates:
    query = f"""
        SELECT strftime(created_at AT TIME ZONE '{ZONE}', '%Y-%m-%d') AS day,
            count(*) FILTER (finish_result = 'success'), count(*)
        FROM '{tasks}' WHERE state IN ('finished', 'gone') GROUP BY day
    """
    with duckdb.connect() as connection:
        return {day: (k, n) for day, k, n in connection.execute(query).fetchall()}


def yield_by_attempt_with_duckdb(attempts: Path) -> Rates:
    query = f"""
        SELECT number::text, count(*) FILTER (connected), count(*) FROM '{attempts}'
        WHERE connected IS NOT NULL GROUP BY number
    """
    with duckdb.connect() as connection:
        return {number: (k, n) for number, k, n in connection.execute(query).fetchall()}


# With pandas.


def success_by_day_with_pandas(path: Path) -> Rates:
    tasks = pd.read_parquet(path)
    ended = tasks[tasks["state"].isin(["finished", "gone"])]
    days = ended["created_at"].dt.tz_convert(ZONE).dt.strftime("%Y-%m-%d")
    return _counted(ended["finish_result"].eq("success").groupby(days))


def yield_by_attempt_with_pandas(path: Path) -> Rates:
    attempts = pd.read_parquet(path).dropna(subset="connected")
    return _counted(attempts["connected"].astype(bool).groupby(attempts["number"]))


def _counted(groups: Any) -> Rates:
    sums = groups.agg(["sum", "count"])
    return {str(name): (int(row["sum"]), int(row["count"])) for name, row in sums.iterrows()}


# With Polars, which reads no more of the file than it needs.


def success_by_day_with_polars(path: Path) -> Rates:
    day = pl.col("created_at").dt.convert_time_zone(ZONE).dt.strftime("%Y-%m-%d")
    is_success = (pl.col("finish_result") == "success").fill_null(value=False)
    ended = pl.scan_parquet(path).filter(pl.col("state").is_in(["finished", "gone"]))
    found = ended.group_by(day.alias("day")).agg(is_success.sum().alias("k"), pl.len().alias("n")).collect()
    return {day: (k, n) for day, k, n in found.rows()}


def yield_by_attempt_with_polars(path: Path) -> Rates:
    made = pl.scan_parquet(path).drop_nulls("connected").group_by("number")
    found = made.agg(pl.col("connected").sum().alias("k"), pl.len().alias("n")).collect()
    return {str(number): (k, n) for number, k, n in found.rows()}


def test_success_by_day(files: Shell) -> None:
    tasks = files.folder / "tasks.parquet"
    rates = success_by_day_with_duckdb(tasks)
    assert rates == success_by_day_with_pandas(tasks) == success_by_day_with_polars(tasks)
    assert rates == {"2026-03-10": (6, 6), "2026-03-11": (0, 1), "2026-03-12": (2, 3)}
    assert rates == reported(files, "success", "success_rate", "--by", "day", "--zone", ZONE)


def test_yield_by_attempt(files: Shell) -> None:
    attempts = files.folder / "attempts.parquet"
    rates = yield_by_attempt_with_duckdb(attempts)
    assert rates == yield_by_attempt_with_pandas(attempts) == yield_by_attempt_with_polars(attempts)
    assert rates == {"1": (4, 11), "2": (3, 6), "3": (1, 3)}
    assert rates == reported(files, "yield", "yield", "--by", "attempt")


def reported(files: Shell, figure: str, share: str, *asked: str) -> Rates:
    answer = files.ask("report", figure, *asked, "--config", str(files.config))
    (dimension,) = answer["by"]
    return {str(row[dimension]): (row[share]["k"], row[share]["n"]) for row in answer["rows"]}
