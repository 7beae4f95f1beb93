"""`receiver db`: the store's schema and copies of the store."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from receiver.cli import db
from receiver.maintenance import schema
from receiver.settings.settings import Settings
from tests.cli.shell import Shell
from tests.cli.test_errors import NEED_A_STORE
from tests.maintenance.databases import SCHEMA_OF_0_1_0

FACT = "INSERT INTO fact (id, account, kind, at, said) VALUES (?, 'main', 'hook', 1.0, ?)"
DELIVERY = (
    "INSERT INTO delivery (id, account, event, received_at, method, query, headers, body) "
    "VALUES (?, 'main', 'before', 1.0, 'GET', '', '[]', x'')"
)


def write(connection: sqlite3.Connection, number: int, size: int = 2) -> None:
    """One delivery and its fact, in one transaction."""
    with connection:
        connection.execute(DELIVERY, (f"d{number}",))
        connection.execute(FACT, (f"f{number}", "x" * size))


def change(path: Path, statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statements)


def read(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] if len(row) == 1 else row for row in connection.execute(query)]


@pytest.fixture
def made(shell: Shell) -> Shell:
    """A store of this version with three facts."""
    shell.ask("tokens", "list")
    with closing(sqlite3.connect(shell.store)) as connection:
        for number in range(3):
            write(connection, number)
    return shell


@pytest.fixture
def old(shell: Shell) -> Shell:
    """A store of 0.1.0 with three facts."""
    change(shell.store, SCHEMA_OF_0_1_0)
    with closing(sqlite3.connect(shell.store)) as connection:
        for number in range(3):
            write(connection, number)
    return shell


@contextmanager
def busy(path: Path) -> Iterator[list[float]]:
    """Somebody who commits to that store all the time; the seconds that each commit took."""
    stop, took = threading.Event(), list[float]()

    def keep_writing() -> None:
        with closing(sqlite3.connect(path)) as connection:
            while not stop.is_set():
                begun = time.monotonic()
                write(connection, 1_000_000 + len(took))
                took.append(time.monotonic() - begun)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        yield took
    finally:
        stop.set()
        writer.join()


def test_a_store_of_this_version_fits(made: Shell) -> None:
    assert made.ask("db", "current") == {
        "database": str(made.store),
        "revision": schema.head(),
        "needs": schema.head(),
        "verdict": "fit",
        "problem": None,
    }
    assert "fits" in made.run("db", "current").out.split()


def test_to_look_at_a_store_that_is_not_there_does_not_make_it(shell: Shell) -> None:
    found = shell.ask("db", "current")
    assert (found["verdict"], found["revision"]) == ("empty", None)
    assert not shell.store.exists()


def test_a_store_of_0_1_0_does_not_fit_until_it_is_upgraded(old: Shell) -> None:
    said = old.run("db", "current", "--json")
    assert (said.status, said.json["verdict"], said.json["revision"]) == (1, "older", None)
    shown = old.run("db", "current")
    assert (shown.status, shown.err) == (1, "")
    assert "run `receiver db upgrade`" in " ".join(shown.out.split())
    old.ask("db", "upgrade")
    assert old.ask("db", "current")["verdict"] == "fit"


def test_an_upgrade_keeps_a_copy_of_what_was_there(old: Shell) -> None:
    copy = old.folder / f"receiver.db.before-{schema.head()}"
    said = old.run("db", "upgrade")
    assert said.status == 0
    assert said.out.startswith(f"Backup: {copy}, 0.1 MiB, 3 facts, 3 deliveries, 0 unread hooks.\n")
    assert "Made by receiver 0.1.0: recorded as revision 0001.\n" in said.out
    assert read(copy, "SELECT id FROM fact") == read(old.store, "SELECT id FROM fact") == ["f0", "f1", "f2"]
    assert read(copy, "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'") == [0]
    assert old.run("db", "upgrade").out == f"Nothing to do: the store is at revision {schema.head()}.\n"


def test_an_upgrade_in_json_names_what_was_done(old: Shell) -> None:
    done = old.ask("db", "upgrade", "--no-backup")
    assert done.pop("applied") == sorted(
        path.name[:4] for path in (schema.MIGRATIONS / "versions").glob("0*.py") if path.name > "0002"
    )
    assert done == {
        "database": str(old.store),
        "from": None,
        "to": schema.head(),
        "uncounted": 0,
        "backup": None,
    }
    assert [path.name for path in old.folder.iterdir() if "before" in path.name] == []


def test_an_upgrade_of_nothing_makes_everything(shell: Shell) -> None:
    done = shell.ask("db", "upgrade")
    assert (done["applied"][0], done["backup"]) == (schema.FIRST, None)
    assert shell.ask("db", "current")["verdict"] == "fit"
    assert shell.ask("tasks", "list")["tasks"] == []


def test_an_upgrade_never_writes_over_an_earlier_copy(old: Shell) -> None:
    copy = old.folder / f"receiver.db.before-{schema.head()}"
    copy.write_text("precious")
    error = old.refused("db", "upgrade")
    assert error == f"error: backup: {copy} exists: move it away, or use --no-backup"
    assert copy.read_text() == "precious"
    assert old.run("db", "current").status == 1, "nothing was upgraded"


def test_an_upgrade_that_fails_leaves_the_store_and_no_copy(
    old: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_connection: object) -> list[str]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(schema, "_migrate", fail)
    assert old.refused("db", "upgrade") == "error: No space left on device"
    assert sorted(path.name for path in old.folder.iterdir()) == ["receiver.db", "receiver.toml"]
    assert read(old.store, "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'") == [0]
    monkeypatch.undo()


@pytest.mark.parametrize("command", [*NEED_A_STORE, ("db", "upgrade")])
def test_every_command_refuses_a_store_of_a_newer_version(command: tuple[str, ...], made: Shell) -> None:
    change(made.store, "UPDATE alembic_version SET version_num = '0999'")
    error = made.refused(*command)
    assert error.startswith("error: the store is at revision 0999, which this version does not know")
    assert error.endswith("install the newer receiver that made it, or restore a backup")


def test_a_receiver_does_not_start_on_a_store_of_another_version(old: Shell) -> None:
    command = [sys.executable, "-m", "receiver", "serve"]
    surroundings = os.environ | {"RECEIVER_PORT": "0", "RECEIVER_API__PORT": "0"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=surroundings)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: the store was made by receiver 0.1.0 (revision 0001)")
    assert done.stderr.endswith("run `receiver db upgrade`\n")


def test_the_doctor_names_a_store_of_another_version(old: Shell) -> None:
    said = old.run("check", "--json")
    assert said.status == 1
    (verdict,) = [each for each in said.json if each["subject"].startswith("store")]
    assert verdict["verdict"] == "failed"
    assert verdict["detail"].endswith("run `receiver db upgrade`")


def test_a_backup_is_one_sound_file_that_can_be_worked_on(made: Shell) -> None:
    made.store.chmod(0o640)
    copy = made.folder / "copies" / "of today.db"
    copy.parent.mkdir()
    said = made.run("db", "backup", str(copy))
    assert (said.status, said.err) == (0, "")
    size = copy.stat().st_size / 2**20
    assert said.out == f"{copy}: {size:.1f} MiB, 3 facts, 3 deliveries, 0 unread hooks; checked, sound.\n"
    assert [path.name for path in copy.parent.iterdir()] == ["of today.db"]
    assert read(copy, "PRAGMA journal_mode") == ["delete"], "it needs no log beside it"
    assert copy.stat().st_mode & 0o777 == 0o640
    made.configure(store=f'"{copy}"')
    assert made.ask("db", "current")["verdict"] == "fit"
    assert made.ask("tasks", "list")["tasks"] == []


def test_a_backup_beside_a_busy_writer_ends_and_is_of_one_moment(made: Shell) -> None:
    """As a process of its own. SQLite would begin anew with each commit that falls into the copying."""
    with closing(sqlite3.connect(made.store)) as connection:
        for number in range(10, 50):
            write(connection, number, size=2**20)
    command = [sys.executable, "-m", "receiver", "db", "backup", "copy.db", "--json"]
    with busy(made.store) as took:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert len(took) > 20, "they wrote meanwhile"
    assert max(took) < 4, "and did not wait for the copy"
    (counts,) = read(
        made.folder / "copy.db", "SELECT (SELECT count(*) FROM fact), (SELECT count(*) FROM delivery)"
    )
    assert 43 <= counts[0] == counts[1] <= 43 + len(took), "each transaction is in it whole or not at all"


def test_a_backup_writes_over_a_file_only_by_force(made: Shell) -> None:
    copy = made.folder / "copy.db"
    copy.write_text("precious")
    assert "copy.db exists; --force" in made.refused("db", "backup", str(copy))
    assert copy.read_text() == "precious"
    assert made.ask("db", "backup", str(copy), "--force") == {
        "file": str(copy),
        "bytes": copy.stat().st_size,
        "sound": True,
        "facts": 3,
        "deliveries": 3,
        "unread": 0,
    }


def test_a_backup_never_writes_over_the_store_or_beside_a_log_of_another_database(made: Shell) -> None:
    assert "exists; --force replaces" in made.refused("db", "backup", "receiver.db", "--force")
    (made.folder / "copy.db-wal").write_text("of another")
    assert "copy.db-wal belongs to another database" in made.refused("db", "backup", "copy.db", "--force")
    assert not (made.folder / "copy.db").exists()
    assert made.ask("db", "current")["verdict"] == "fit"


@pytest.mark.parametrize(
    ("store", "file", "problem"),
    [
        ("none.db", "copy.db", "error: store: there is no file none.db"),
        ("receiver.db", "none/copy.db", "error: FILE: there is no folder none"),
        (
            "receiver.toml",
            "copy.db",
            "error: copy.db was not made: DatabaseError: file is not a database",
        ),
        ("other.db", "copy.db", "error: copy.db was not made: OperationalError: no such table: fact"),
    ],
)
def test_what_cannot_be_copied_is_named_and_leaves_nothing(
    store: str, file: str, problem: str, made: Shell
) -> None:
    change(made.folder / "other.db", "CREATE TABLE other (id)")
    made.configure(store=f'"{store}"')
    assert made.refused("db", "backup", file) == problem
    assert [path.name for path in made.folder.iterdir() if path.name.startswith("copy")] == []


def test_a_backup_of_postgresql_is_postgresqls_own_work(shell: Shell) -> None:
    shell.configure(store='"postgresql://receiver:hunter2@db.example/receiver"')
    error = shell.refused("db", "backup", "copy")
    assert "pg_dump --format=custom" in error
    assert "pg_basebackup" in error
    assert "hunter2" not in error


def test_a_password_in_the_stores_url_is_not_shown() -> None:
    given: dict[str, Any] = {"store": "postgresql://receiver:hunter2@db.example/calls"}
    assert db._named(Settings.model_construct(**given)) == "postgresql://receiver:***@db.example/calls"
