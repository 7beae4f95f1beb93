"""What errors mean, by their codes: each is made by a real database."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from receiver.errors import StoreError, StoreUnavailableError, TimeLimitError
from receiver.storage.engine import Store
from tests.postgres import prepared_database

pytestmark = pytest.mark.anyio

UNIQUE = "SELECT string_agg(md5(n::text), '') FROM generate_series(1, 200) n"

APPEND = "INSERT INTO inbox (at, count, bytes, batch) VALUES (?, ?, ?, ?)"

ON_POSTGRES = {
    "a value of the wrong form (22P02)": ("SELECT 'x'::int", StoreError),
    "a number out of range (22003)": ("SELECT 100000::int2", StoreError),
    "a duplicate key (23505)": ("INSERT INTO lease VALUES ('a', 'b', 1), ('a', 'c', 2)", StoreError),
    "a value too large for an index (54000)": (f"INSERT INTO lease SELECT ({UNIQUE}), '', 1", StoreError),
    "a lost grant (42501)": ("SET LOCAL ROLE nobody_at_all; SELECT * FROM fact", StoreUnavailableError),
    "a wrong search_path (42P01)": ("SET LOCAL search_path = ''; SELECT * FROM fact", StoreUnavailableError),
    "a column that is not there (42703)": ("SELECT no_such_column FROM fact", StoreUnavailableError),
    "a function that is not there (42883)": ("SELECT no_such_function()", StoreUnavailableError),
    "a lock that is held (55P03)": ("SELECT * FROM fact", StoreUnavailableError),
    "a statement that takes too long (57014)": ("SELECT pg_sleep(30)", TimeLimitError),
    "out of space (53100)": ("DO $$BEGIN RAISE 'full' USING ERRCODE = '53100'; END$$", StoreUnavailableError),
    "a fault inside of the server (XX000)": (
        "DO $$BEGIN RAISE 'broken' USING ERRCODE = 'XX000'; END$$",
        StoreUnavailableError,
    ),
}
OF_NO_USE = {
    "of a standby (25006)": "SET LOCAL transaction_read_only = on; DELETE FROM fact",
    "that the server ends (57P01)": "SELECT pg_terminate_backend(pg_backend_pid())",
    "whose server starts (57P03)": "DO $$BEGIN RAISE 'starting' USING ERRCODE = '57P03'; END$$",
    "without a prepared statement (26000)": "EXECUTE no_such_statement",
    "that a pooler speaks of (08P01)": "DO $$BEGIN RAISE 'pooler' USING ERRCODE = '08P01'; END$$",
}


@pytest.fixture
def target(postgres: str) -> str:
    return prepared_database(postgres)


@pytest.fixture
def shared(target: str) -> Iterator[Store]:
    with create_engine(target, isolation_level="AUTOCOMMIT", poolclass=NullPool).connect() as connection:
        if not connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = 'nobody_at_all'")):
            connection.execute(text("CREATE ROLE nobody_at_all"))
    with closing(Store(target, timeout_s=0.3)) as store:
        yield store


def session(connection: Connection) -> int:
    """Which session of the server's this is."""
    return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


async def append(store: Store) -> None:
    async with store.appending:
        await store.append(APPEND, 1.0, 1, 3, b"...")


@pytest.mark.parametrize("kind", ON_POSTGRES)
async def test_sqlstate_says_whose_fault_it_is_and_the_connection_is_kept(
    shared: Store, target: str, kind: str
) -> None:
    statement, expected = ON_POSTGRES[kind]
    before = await shared.write(session)
    with closing(Store(target)) as other, other.transaction() as holder:
        if "55P03" in kind:
            holder.exec_driver_sql("LOCK TABLE fact")
        with pytest.raises(StoreError) as caught:
            await shared.write(lambda connection: connection.exec_driver_sql(statement))
    assert type(caught.value) is expected
    assert await shared.write(session) == before


@pytest.mark.parametrize("kind", OF_NO_USE)
async def test_a_connection_of_no_use_is_thrown_away_and_with_it_those_opened_before(
    shared: Store, kind: str
) -> None:
    """What leads to an old primary, or to a standby, does so on each of them, the readers' too."""
    before = {await shared.write(session), await shared.read(session)}
    with pytest.raises(StoreUnavailableError):
        await shared.write(lambda connection: connection.exec_driver_sql(OF_NO_USE[kind]))
    after = {await shared.write(session), await shared.read(session)}
    assert len(before | after) == 4


async def test_a_read_only_session_is_thrown_away_by_an_append_too(shared: Store, target: str) -> None:
    name = shared.name.rpartition("/")[2]
    with closing(Store(target)) as other, other.transaction() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(StoreUnavailableError, match="read-only"):
        await append(shared)
    with closing(Store(target)) as other, other.transaction() as connection:
        connection.exec_driver_sql("SET LOCAL transaction_read_only = off")
        connection.exec_driver_sql(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await append(shared)


ON_SQLITE = {
    "a duplicate key": ("INSERT INTO lease VALUES ('a', 'b', 1), ('a', 'c', 2)", StoreError),
    "a value that is missing": ("INSERT INTO lease (name, expires_at) VALUES ('a', 1)", StoreError),
    "a text for a row's own number": (
        "INSERT INTO inbox (number, at, count, bytes, batch) VALUES ('x', 1, 1, 1, '')",
        StoreError,
    ),
    "a value that is too large": ("SELECT zeroblob(2000000000)", StoreError),
    "a table that is not there": ("SELECT * FROM no_such_table", StoreUnavailableError),
    "a column that is not there": ("SELECT no_such_column FROM fact", StoreUnavailableError),
    "a file that may not be written": ("PRAGMA query_only = ON; DELETE FROM fact", StoreUnavailableError),
}


@pytest.mark.parametrize("kind", ON_SQLITE)
async def test_the_result_code_says_whose_fault_it_is(sqlite_store: Store, kind: str) -> None:
    statements, expected = ON_SQLITE[kind]

    def run(connection: Connection) -> None:
        for statement in statements.split("; "):
            connection.exec_driver_sql(statement)

    with pytest.raises(StoreError) as caught:
        await sqlite_store.write(run)
    assert type(caught.value) is expected
    # One that may not be written stays so for as long as it is open.
    await sqlite_store.write(lambda connection: connection.exec_driver_sql("DELETE FROM fact"))


async def test_a_store_whose_file_was_read_only_for_a_while_heals(sqlite_store: Store) -> None:
    def become_read_only(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA query_only = ON")

    await sqlite_store.write(become_read_only)
    with pytest.raises(StoreUnavailableError, match="readonly"):
        await append(sqlite_store)
    await append(sqlite_store)
