"""What goes wrong is one clear text on standard error, and exit status 2."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.shell import KEY, SECRET, Shell

NEED_A_STORE = (
    ("tasks", "list"),
    ("tasks", "show", "main", "o-1"),
    ("queues", "list"),
    ("lost-hooks",),
    ("drift",),
    ("tokens", "list"),
    ("tokens", "create", "me"),
    ("capture",),
    ("rebuild", "--verify"),
    ("db", "prune"),
    ("reconcile", "--once"),
)


@pytest.mark.parametrize("command", NEED_A_STORE)
def test_a_store_that_cannot_be_opened_is_one_clear_error(command: tuple[str, ...], shell: Shell) -> None:
    shell.configure(store='"/nowhere/receiver.db"')
    error = shell.refused(*command)
    assert error.startswith("error: the store did not commit: OperationalError: unable to open database file")
    assert "receiver check" in error
    assert not any(secret in error for secret in (SECRET, KEY))


@pytest.mark.parametrize(
    "command", [*NEED_A_STORE, ("check",), ("serve",), ("urls", "mint", "--account", "main")]
)
def test_settings_that_are_not_there_are_one_clear_error(command: tuple[str, ...], shell: Shell) -> None:
    shell.config.unlink()
    assert "receiver.toml: no such file; `receiver config example`" in shell.refused(*command)


@pytest.mark.parametrize("command", [("serve",), ("emulate",)])
def test_a_port_that_is_taken_is_one_clear_error(
    command: tuple[str, ...], shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        monkeypatch.setenv("RECEIVER_PORT", port)
        options = ("--port", port) if command == ("emulate",) else ()
        assert "Address already in use" in shell.refused(*command, *options)


def test_a_port_of_the_api_that_is_taken_is_named_by_its_setting(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("RECEIVER_PORT", "0")
        monkeypatch.setenv("RECEIVER_API__PORT", str(port))
        error = shell.refused("serve")
    assert error == f"error: api.host, api.port: cannot listen on 127.0.0.1:{port}: Address already in use"


def test_a_process_ends_with_the_error_and_its_status(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "receiver", "tasks", "list", "--config", "gone.toml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: gone.toml: no such file")


def test_programs_are_told_in_utf_8_whatever_the_locale() -> None:
    command = [sys.executable, "-m", "receiver", "report", "--help"]
    texts = [
        subprocess.run(
            command, env=os.environ | {"PYTHONIOENCODING": encoding}, stdout=subprocess.PIPE, check=True
        ).stdout
        for encoding in ("utf-8", "ascii")
    ]
    assert not texts[0].isascii()
    assert texts[1] == texts[0]
