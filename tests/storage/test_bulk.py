"""Many rows in one statement."""

import pytest
from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from receiver.storage.bulk import copied
from tests.postgres import prepared_database

_SERIES = "SELECT 100 / (? - n), 'line ' || n FROM generate_series(1, 100000) n"


@pytest.fixture
def postgres_url(postgres: str) -> str:
    return prepared_database(postgres).replace("postgresql://", "postgresql+psycopg://")


def test_lines_of_csv_come_whole_and_in_order(postgres_url: str) -> None:
    with create_engine(postgres_url, poolclass=NullPool).connect() as connection:
        lines = copied(connection, _SERIES, 200_000)
        assert (len(lines), lines[0], lines[-1]) == (100_000, b"0,line 1\n", b"0,line 100000\n")
        assert copied(connection, "SELECT 'a,b', '7' WHERE 1 = ?", 2) == []
        assert copied(connection, "SELECT 'a,b', '7' WHERE 1 = ?", 1) == [b'"a,b",7\n']


def test_a_copy_that_fails_half_way_is_an_error_and_the_connection_goes_on(postgres_url: str) -> None:
    with create_engine(postgres_url, poolclass=NullPool).connect() as connection:
        with pytest.raises(DBAPIError, match="division by zero"), connection.begin():
            copied(connection, _SERIES, 50_000)
        assert copied(connection, "SELECT ?::int", 7) == [b"7\n"]


def test_a_connection_that_is_cut_half_way_is_an_error(postgres_url: str) -> None:
    cut = f"{_SERIES} WHERE n < 90000 OR pg_terminate_backend(pg_backend_pid())"
    with create_engine(postgres_url, poolclass=NullPool).connect() as connection:
        with pytest.raises(DBAPIError, match=r"terminating connection|server closed"):
            copied(connection, cut, 200_000)
        connection.invalidate()
