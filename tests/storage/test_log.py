"""SQLite's write-ahead log: measured, and cut back after a long reader has made it grow."""

from contextlib import closing
from pathlib import Path

import pytest

from receiver.storage import sqlite
from receiver.storage.engine import Store


def fill(store: Store, rows: int) -> None:
    with store.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS filling (text TEXT)")
        for _ in range(rows):
            connection.exec_driver_sql("INSERT INTO filling VALUES (hex(randomblob(50000)))")


def test_the_log_is_cut_back_once_nobody_reads_what_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 2**20
    monkeypatch.setattr(sqlite, "_LOG_BYTES", limit)
    with closing(Store(tmp_path / "a.db")) as store:
        assert store.log_bytes() == 0
        fill(store, 1)
        with store.snapshot() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM filling").scalar()
            for _ in range(20):
                fill(store, 10)
            assert store.log_bytes() == (tmp_path / "a.db-wal").stat().st_size > 10 * limit
        for _ in range(3):
            fill(store, 1)
        assert 0 < store.log_bytes() <= limit


def test_the_log_of_a_server_is_not_ours_to_measure(store_target: str) -> None:
    with closing(Store(store_target)) as store:
        with store.transaction() as connection:
            connection.exec_driver_sql("CREATE TABLE filling (text TEXT)")
        assert (store.log_bytes() > 0) is (not store.is_shared)
