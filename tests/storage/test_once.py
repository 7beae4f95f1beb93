"""A read that several parts of an answer need is made once for each snapshot."""

from sqlalchemy import Connection, text

from receiver.storage.engine import Store
from receiver.storage.once import once


def test_a_read_is_made_once_for_each_snapshot_and_arguments(store: Store) -> None:
    made: list[tuple[int, int]] = []

    def read(connection: Connection, first: int, second: int = 0) -> int:
        made.append((first, second))
        return int(connection.scalar(text(f"SELECT {first} + {second}")) or 0)

    for _ in range(2):
        with store.snapshot() as connection:
            assert [once(connection, read, 1), once(connection, read, 1)] == [1, 1]
            assert [once(connection, read, 1, second=2), once(connection, read, 1, second=2)] == [3, 3]
    assert made == [(1, 0), (1, 2)] * 2
