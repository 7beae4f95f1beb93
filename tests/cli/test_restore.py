"""`receiver db restore`: a backup takes the place of the store, which is kept."""

import sqlite3
from contextlib import closing
from pathlib import Path

from receiver.maintenance.schema import head
from receiver.storage.serve_lock import holding
from tests.cli.shell import Shell
from tests.cli.test_db import made

__all__ = ["made"]


def test_a_backup_takes_the_place_of_the_store_which_is_kept(made: Shell) -> None:
    backup = made.folder / "backup.db"
    assert made.run("db", "backup", str(backup)).status == 0
    with closing(sqlite3.connect(made.store)) as connection:
        connection.execute("CREATE TABLE later (a)")
        connection.commit()
        done = made.ask("db", "restore", str(backup))  # the connection is open: the log may hold the commit
    assert (done["store"], done["revision"]) == (str(made.store), head())
    assert not table_exists(made.store, "later")
    assert table_exists(Path(done["replaced"]), "later")
    assert made.run("db", "current").status == 0
    assert not list(made.folder.glob("*.restoring*"))


def test_a_store_that_is_served_is_not_replaced(made: Shell) -> None:
    backup = made.folder / "backup.db"
    made.run("db", "backup", str(backup))
    before = made.store.read_bytes()
    with holding(str(made.store)):
        text = made.refused("db", "restore", str(backup))
    assert "is served by another process" in text
    assert made.store.read_bytes() == before


def test_what_is_no_backup_changes_nothing(made: Shell) -> None:
    before = made.store.read_bytes()
    foreign, broken = made.folder / "foreign.db", made.folder / "broken.db"
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE other (a)")
    made.run("db", "backup", str(broken))
    broken.write_bytes(broken.read_bytes()[:20_480] + b"x" * 4096 + broken.read_bytes()[24_576:])
    problems = {
        foreign: "is not a backup of a store: use a file that `receiver db backup` has made",
        made.config: "is not a backup of a store",
        broken: "broken.db cannot be restored; use another backup",
        made.store: "is the store itself; name a backup",
        made.folder / "none": "there is no file",
    }
    for file, problem in problems.items():
        assert problem in made.refused("db", "restore", str(file))
    assert made.store.read_bytes() == before
    assert not list(made.folder.glob("*.re[ps]*"))


def test_a_backup_of_a_newer_version_is_refused(made: Shell) -> None:
    backup = made.folder / "backup.db"
    made.run("db", "backup", str(backup))
    with closing(sqlite3.connect(backup)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    assert "backup.db: the store is at revision 9999" in made.refused("db", "restore", str(backup))


def table_exists(store: Path, name: str) -> bool:
    with closing(sqlite3.connect(store)) as connection:
        found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,))
        return found.fetchone() is not None
