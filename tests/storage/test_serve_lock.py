"""One `serve` at a time has a SQLite file; who comes second is told who has it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from receiver.errors import StoreHeldError, StoreUnavailableError
from receiver.storage.serve_lock import holding

_HOLD = """
import sys
from receiver.storage.serve_lock import holding
with holding(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def another(path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Another process that holds it until it is told to end."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"held"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_second_is_told_who_holds_it(tmp_path: Path) -> None:
    store = tmp_path / "receiver.db"
    with another(store) as process, pytest.raises(StoreHeldError) as caught, holding(str(store)):
        pass
    said = str(caught.value)
    assert re.search(rf"pid {process.pid} on \S+ since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC", said)
    assert str(store) in said


def test_a_link_to_it_is_the_same_store(tmp_path: Path) -> None:
    store, link = tmp_path / "receiver.db", tmp_path / "link.db"
    store.touch()
    link.symlink_to(store)
    with another(store), pytest.raises(StoreHeldError), holding(str(link)):
        pass


def test_it_is_free_as_soon_as_its_process_has_died(tmp_path: Path) -> None:
    store = tmp_path / "receiver.db"
    with another(store) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with holding(str(store)):
            pass


def test_who_holds_it_is_written_over_what_the_last_one_wrote(tmp_path: Path) -> None:
    store = tmp_path / "receiver.db"
    (tmp_path / "receiver.db-serve").write_text(
        '{"pid": 1, "host": "' + "x" * 500 + '", "since": "long ago"}'
    )
    with holding(str(store)):
        assert f'"pid": {os.getpid()}' in (tmp_path / "receiver.db-serve").read_text()
        with pytest.raises(StoreHeldError, match=f"pid {os.getpid()} "), holding(str(store)):
            pass


def test_one_that_has_not_written_who_it_is_yet_is_still_the_holder(tmp_path: Path) -> None:
    store = tmp_path / "receiver.db"
    with holding(str(store)):
        (tmp_path / "receiver.db-serve").write_text("")
        with pytest.raises(StoreHeldError, match="just started"), holding(str(store)):
            pass


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    store = tmp_path / "nowhere" / "receiver.db"
    with pytest.raises(StoreUnavailableError, match="nowhere"), holding(str(store)):
        pass


def test_a_database_for_many_is_held_by_nobody() -> None:
    for _ in range(2):
        with holding("postgresql://host/database"), holding("postgresql://host/database"):
            pass
