"""Whole worlds: whatever goes wrong on the way, what the receiver says in the end is what happened."""

import dataclasses
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from receiver.emulator.config import DialectName
from receiver.emulator.faults import PROFILES
from receiver.emulator.quirks import QuirkName
from tests.simulation.world import Scenario, simulate

TASKS = 24


@pytest.mark.parametrize(
    ("seed", "faults", "dialect"),
    [
        (1, "none", "task_form"),
        (2, "light", "event_form"),
        (3, "heavy", "mixed"),
        (4, "heavy", "empty"),
    ],
)
def test_the_receiver_agrees_with_the_truth(
    tmp_path: Path, seed: int, faults: str, dialect: DialectName
) -> None:
    scenario = Scenario(seed, TASKS, PROFILES[faults], dialect, later_revision=seed % 2 == 0)
    ended = simulate(scenario, tmp_path / "receiver.db")
    assert ended.problems == []
    assert ended.comparison.agree + ended.comparison.not_known == TASKS
    assert all(row["lost"] == {} for row in ended.rows.values()) == (faults == "none")


@pytest.mark.parametrize(
    "twist", [{"drop": 1.0}, {"hide_finished": 1.0}, {"error_before": 0.2, "error_after": 0.2}]
)
def test_no_hooks_lists_that_hide_or_an_api_in_pieces_change_nothing(
    tmp_path: Path, twist: dict[str, float]
) -> None:
    faults = dataclasses.replace(PROFILES["heavy"], **twist)
    scenario = Scenario(7, TASKS, faults, starts_after=900 if "hide_finished" in twist else 60)
    assert simulate(scenario, tmp_path / "receiver.db").problems == []


@pytest.mark.parametrize(
    "quirks",
    [
        {"expired_403", "zero_expires_in", "newest_first", "small_pages", "zero_pause"},
        {"text_expires_in", "shifting_lists", "no_pause"},
    ],
)
def test_accounts_that_differ_from_what_is_documented_change_nothing(
    tmp_path: Path, quirks: set[QuirkName]
) -> None:
    scenario = Scenario(41, TASKS, PROFILES["light"], quirks=frozenset(quirks))
    ended = simulate(scenario, tmp_path / "receiver.db")
    assert ended.problems == []
    assert all(quirks <= set(told) for told in ended.truth["quirks"].values())


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_a_receiver_that_dies_again_and_again_loses_nothing_it_acknowledged(
    tmp_path: Path, seed: int
) -> None:
    ended = simulate(Scenario(seed, TASKS, crashes=6), tmp_path / "receiver.db")
    assert ended.problems == []
    assert ended.acknowledged <= ended.kept


def test_the_same_seed_is_the_same_world_to_the_byte(tmp_path: Path) -> None:
    """Also in another process, where sets have another order."""
    code = (
        "import sys, pathlib, hashlib; from tests.simulation.world import Scenario, simulate;"
        f"ended = simulate(Scenario(21, {TASKS}, crashes=4), pathlib.Path(sys.argv[1]));"
        "print(hashlib.sha256(ended.ledger).hexdigest())"
    )
    environment = os.environ | {"PYTHONHASHSEED": "99"}
    other = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "other.db")],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
        timeout=300,
    )
    ended = simulate(Scenario(21, TASKS, crashes=4), tmp_path / "receiver.db")
    assert other.stdout.split()[-1] == hashlib.sha256(ended.ledger).hexdigest()


def test_another_seed_is_another_world_and_any_false_word_about_it_is_noticed(tmp_path: Path) -> None:
    ended = simulate(Scenario(31, TASKS), tmp_path / "receiver.db")
    other = simulate(Scenario(32, TASKS), tmp_path / "other.db")
    assert ended.ledger != other.ledger
    key, row = next((key, row) for key, row in ended.rows.items() if row["attempts_exact"])
    false: dict[str, Any] = {
        "state": "gone",
        "finish_result": "unknown",
        "cdr": "nobody's call",
        "attempts": row["attempts"] + 1,
        "lost": {event: count + 1 for event, count in row["expected"].items()},
        "settled": False,
    }
    for field, value in false.items():
        assert dataclasses.replace(ended, rows=ended.rows | {key: {**row, field: value}}).problems, field
    assert dataclasses.replace(ended, kept=set()).problems
    assert dataclasses.replace(ended, rows={}).problems
