"""A disk that is really full, and then is not."""

import json
import subprocess
import sys

import pytest

from tests.e2e.diskfull import NO_DISK, way_in


def test_a_full_disk_costs_nothing_that_was_acknowledged_and_heals_by_itself() -> None:
    if way_in() is None:
        pytest.skip(NO_DISK)
    command = [
        sys.executable,
        "-m",
        "tests.e2e.diskfull",
        "--json",
        *["--disk", "10", "--filler", "5", "--seconds", "1"],
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    outcome = json.loads(done.stdout)
    assert outcome["good"], outcome
    assert outcome["answers"]["503"] > 0
    assert outcome["acknowledged"] == outcome["kept"] == outcome["folded"] > 200
