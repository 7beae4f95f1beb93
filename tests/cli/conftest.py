from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.emulation import Emulation, emulation
from tests.cli.shell import Shell
from tests.e2e.processes import free_port


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns, in a folder where the settings are."""
    for name in ("FORCE_COLOR", "TERMINAL_WIDTH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("RECEIVER_CONFIG", str(tmp_path / "receiver.toml"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Commands whose scheduler is down."""
    shell = Shell(tmp_path, f"http://127.0.0.1:{free_port()}")
    shell.configure()
    return shell


@pytest.fixture(scope="package")
def scheduler() -> Iterator[Emulation]:
    """One emulator without faults for all; each test has its own queues."""
    with emulation() as running:
        yield running


@pytest.fixture
def office(tmp_path: Path, scheduler: Emulation) -> Shell:
    """Commands whose scheduler is there."""
    shell = Shell(tmp_path, scheduler.url)
    shell.configure(origin=repr(scheduler.origin))
    return shell
