"""config/systemd/receiver.service: verified by systemd's own tool, and what it starts starts."""

import os
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import httpx2
import pytest

from receiver.settings.models import ListenerSettings
from tests.e2e.alone import write_settings
from tests.operators.image import TOP
from tests.operators.started import started

UNIT = TOP / "config/systemd/receiver.service"
MOST_EXPOSED = 15
"""Of 100, as `systemd-analyze security` reckons; a unit that says nothing of it has 96."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def service() -> dict[str, str]:
    """Of settings that are there several times the last."""
    parser = RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    return dict(parser["Service"])


def analysed(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """What systemd says of the unit, where the program that it starts is there."""
    program = service()["ExecStart"].split()[0]
    unit = folder / UNIT.name
    unit.write_text(UNIT.read_text().replace(program, sys.executable))
    command = ["systemd-analyze", *arguments, str(unit)]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60, env=os.environ | {"LC_ALL": "C"}
    )


@needs_systemd
def test_systemd_finds_nothing_to_object_to(tmp_path: Path) -> None:
    done = analysed(tmp_path, "verify", "--man=no")
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_it_is_shut_in(tmp_path: Path) -> None:
    done = analysed(tmp_path, "security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager")
    assert done.returncode == 0, done.stdout


def test_it_waits_for_a_stop_as_long_as_one_may_take() -> None:
    # Requests, workers and the ledger have stop_deadline_s each.
    assert int(service()["TimeoutStopSec"]) > 3 * 15


def test_it_sees_what_metrics_of_the_process_are_read_from() -> None:
    assert service().get("ProcSubset", "all") == "all"


def test_its_store_is_in_the_folder_that_it_may_write_to() -> None:
    assert service()["WorkingDirectory"] == f"/var/lib/{service()['StateDirectory']}"


def test_it_allows_for_as_many_files_as_there_may_be_connections() -> None:
    assert int(service()["LimitNOFILE"]) > 2 * ListenerSettings().max_connections


def test_what_it_starts_starts(tmp_path: Path) -> None:
    program, *arguments = service()["ExecStart"].split()
    assert Path(program).name == "receiver"
    name, _, file = service()["Environment"].partition("=")
    config = tmp_path / Path(file).name
    config.write_text(write_settings(tmp_path, "receiver.db").read_text())
    state = tmp_path / "state"
    state.mkdir()
    with started({name: str(config)}, state, *arguments) as receiver:
        assert httpx2.get(f"{receiver.api}/readyz").json() == {"status": "ready"}
        assert httpx2.get(f"{receiver.hooks}/healthz").json() == {"status": "ok"}
    assert sorted(path.name for path in state.iterdir()) == ["receiver.db", "receiver.db-serve"]
