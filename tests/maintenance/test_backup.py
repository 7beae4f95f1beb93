"""Copies of a store that is in use."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert

from receiver.errors import StoreError
from receiver.inbox.tables import INBOX
from receiver.ledger import fact_sql
from receiver.ledger.tables import DELIVERY
from receiver.maintenance.backup import back_up
from receiver.storage.engine import Store
from tests.factories import delivery, hook
from tests.inbox.inbox_env import check, open_inbox, raw_hooks


def silent(_part: float) -> None:
    """Progress that nobody watches."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Where the copy is to be."""
    return tmp_path / "copy.db"


@pytest.fixture
def filled(sqlite_store: Store) -> Path:
    """The file of a store with one fact and 12 MiB of deliveries, which are some steps to copy."""
    with sqlite_store.transaction() as connection:
        fact_sql.add_facts(connection, [hook("before", 1.0)])
        rows = [delivery(f"d{number}")._asdict() | {"body": b"x" * 2**20} for number in range(12)]
        connection.execute(insert(DELIVERY), rows)
    return sqlite_store.path


def test_what_others_commit_meanwhile_neither_delays_a_copy_nor_is_in_it(
    sqlite_store: Store, filled: Path, copy: Path
) -> None:
    """SQLite by itself would begin anew after each commit of somebody else."""
    parts: list[float] = []

    def commit_and_go_on(part: float) -> None:
        assert len(parts) < 50, "it does not end"
        parts.append(part)
        with sqlite_store.transaction() as connection:
            fact_sql.add_facts(connection, [hook("after", float(len(parts)))])

    made = back_up(filled, copy, commit_and_go_on)
    assert len(parts) >= 3
    assert parts == sorted(parts)
    assert (parts[-1], made.facts, made.deliveries) == (1.0, 1, 12)
    assert made.size == copy.stat().st_size > 12 * 2**20
    with sqlite_store.snapshot() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM fact").scalar() == 1 + len(parts)


@pytest.mark.anyio
async def test_a_copy_holds_hooks_that_are_not_read_yet_and_whoever_opens_it_reads_them(
    tmp_path: Path, copy: Path
) -> None:
    hooks = raw_hooks(5)
    async with open_inbox(str(tmp_path / "receiver.db"), is_idle=True) as env:
        await env.append(*hooks[:3])
        await env.append(*hooks[3:])
        made = back_up(env.store.path, copy, silent)
    assert (made.unread, made.facts, made.deliveries) == (5, 0, 0)
    async with open_inbox(str(copy)) as restored:
        await restored.caught_up()
        check(restored, hooks)


def test_a_store_of_a_version_without_an_inbox_is_copied(
    sqlite_store: Store, filled: Path, copy: Path
) -> None:
    with sqlite_store.transaction() as connection:
        INBOX.drop(connection)
    made = back_up(filled, copy, silent)
    assert (made.unread, made.facts) == (0, 1)


def test_a_copy_that_is_broken_off_leaves_what_was_there(filled: Path, copy: Path) -> None:
    def interrupt(_part: float) -> None:
        raise KeyboardInterrupt

    copy.write_text("precious")
    with pytest.raises(KeyboardInterrupt):
        back_up(filled, copy, interrupt)
    assert copy.read_text() == "precious"
    assert list(copy.parent.glob("copy.db?*")) == []


def test_what_a_killed_copy_left_is_not_played_into_the_next(filled: Path, copy: Path) -> None:
    for end in (".part", ".part-journal", ".part-wal"):
        Path(f"{copy}{end}").write_bytes(os.urandom(5_000))
    assert back_up(filled, copy, silent).facts == 1
    assert list(copy.parent.glob("copy.db?*")) == []


def test_a_damaged_store_makes_no_copy(sqlite_store: Store, filled: Path, copy: Path) -> None:
    sqlite_store.close()
    with closing(sqlite3.connect(filled)) as connection:
        root = "SELECT rootpage FROM sqlite_master WHERE name = 'task_by_due'"
        place = (connection.execute(root).fetchone()[0] - 1) * 4096
    with filled.open("r+b") as file:
        file.seek(place)
        file.write(b"\xff" * 4096)
    with pytest.raises(StoreError, match=r"copy\.db was not made: the store is damaged"):
        back_up(filled, copy, silent)
    assert list(copy.parent.glob("copy.db*")) == []
