"""Every figure of a year of random lives, against DuckDB over the export; the demonstration has a command."""

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from receiver.domain.facts import Fact
from tests.analytics.lives import Lives, at, told
from tests.cli.shell import Shell
from tests.e2e.analysts import ZONES, check
from tests.e2e.analysts_sql import Parquet

NEW_YEAR = at("2026-01-01 00:00")
_ENDS = ("a:USER_BUSY", "b:NO_ANSWER", "b:ни то ни сё", "a:CALL_REJECTED", "ok")


def lives(seed: int) -> list[list[Fact]]:
    rng, make = Random(seed), Lives()
    some = []
    for _ in range(60):
        ends = [rng.choice(_ENDS[:-1]) for _ in range(rng.randrange(3))] + [rng.choice(_ENDS)]
        some.append(
            make.task(
                NEW_YEAR + rng.randrange(365 * 24 * 60) * 60.0,
                ends,
                queue=rng.choice("567"),
                extension=rng.choice([None, "305", "306"]),
                account=rng.choice(["main", "second"]),
                is_open=rng.random() < 0.1,
                is_settled=rng.random() < 0.8,
            )
        )
    return some


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_every_figure_is_what_duckdb_makes_of_the_export(tmp_path: Path, seed: int) -> None:
    Shell(tmp_path, "https://scheduler.example").configure()
    with told(str(tmp_path / "receiver.db"), *lives(seed)) as store:
        for relation in ("tasks", "attempts"):
            command = [sys.executable, "-m", "receiver", "export", relation, "--format", "parquet"]
            out = ["--out", f"{relation}.parquet"]
            subprocess.run([*command, *out], cwd=tmp_path, check=True, timeout=60, capture_output=True)
        compared, differences = check(store, Parquet(tmp_path), ZONES[1:3])
    assert differences == []
    assert compared > 5_000
