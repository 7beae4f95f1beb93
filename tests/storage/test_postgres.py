"""How a PostgreSQL is found and spoken to: several hosts, durability, servers that say nothing more."""

import asyncio
import time
from contextlib import AsyncExitStack, closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import Connection

from receiver.errors import SettingsError, StoreUnavailableError
from receiver.storage import engine
from receiver.storage.engine import Store
from receiver.storage.postgres import shown
from tests.e2e.forwarder import forwarding
from tests.e2e.pgbouncer import running_pgbouncer
from tests.postgres import prepared_database

pytestmark = pytest.mark.anyio

APPEND = "INSERT INTO inbox (at, count, bytes, batch) VALUES (?, ?, ?, ?)"

SHOWN = {
    "postgresql://u:secret@db.example/calls": "postgresql://u:***@db.example/calls",
    "postgresql://u:secret@one:5432,two:5433/calls?target_session_attrs=primary": (
        "postgresql://u:***@one:5432,two:5433/calls"
    ),
    "postgres://one,two:5433/calls": "postgresql://one,two:5433/calls",
    "postgresql+psycopg://u@/calls?host=/run/one&password=secret": "postgresql://u:***@/run/one/calls",
    "postgresql://u:p%40ss@[::1]:5432/calls": "postgresql://u:***@::1:5432/calls",
}


def session(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


def appended(connection: Connection) -> list[int]:
    return list(connection.exec_driver_sql("SELECT count FROM inbox ORDER BY number").scalars())


async def append(store: Store, count: int) -> None:
    async with store.appending:
        await store.append(APPEND, 1.0, count, 3, b"...")


def socket_of(server: str) -> Path:
    return Path(parse_qs(urlsplit(server).query)["host"][0]) / ".s.PGSQL.5432"


def name_of(database: str) -> str:
    return database.partition("?")[0].rpartition("/")[2]


@pytest.mark.parametrize("target", SHOWN)
def test_what_is_shown_of_a_url_has_no_password(target: str) -> None:
    assert shown(target) == SHOWN[target]


@pytest.mark.parametrize(
    "target", ["postgresql://u@host:5432/calls?no_such_option=1", "postgresql://u@[::1/c"]
)
def test_a_url_that_libpq_does_not_read_is_refused_with_the_form(target: str) -> None:
    with pytest.raises(SettingsError, match="store: not a URL like postgresql://"):
        Store(target)


async def test_of_several_hosts_the_one_that_answers_is_used(postgres: str) -> None:
    name = name_of(prepared_database(postgres))
    async with forwarding(None) as nobody, forwarding(socket_of(postgres)) as server:
        hosts = f"127.0.0.1:{nobody.port},127.0.0.1:{server.port}"
        with closing(Store(f"postgresql://postgres@{hosts}/{name}", timeout_s=5.0)) as store:
            assert await store.read(appended) == []
            await append(store, 1)
            assert await store.read(appended) == [1]
            nobody.retarget(socket_of(postgres))
            server.move(None)
            await asyncio.sleep(0.1)
            await append(store, 2)
            assert await store.read(appended) == [1, 2]


@pytest.mark.parametrize("is_pooled", [False, True], ids=["direct", "pooled"])
async def test_an_append_is_on_disk_whatever_role_and_database_say(
    postgres: str, tmp_path: Path, is_pooled: bool
) -> None:
    database = prepared_database(postgres)
    with closing(Store(database)) as owner, owner.transaction() as connection:
        for statement in (
            f"ALTER DATABASE {name_of(database)} SET synchronous_commit = off",
            "CREATE TABLE seen (settings text)",
            "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO seen VALUES "
            "(current_setting('synchronous_commit') || ' ' || current_setting('lock_timeout')); "
            "RETURN NEW; END$$",
            "CREATE TRIGGER see BEFORE INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION see()",
        ):
            connection.exec_driver_sql(statement)
    async with AsyncExitStack() as stack:
        target = database
        if is_pooled:
            (folder := tmp_path / "pooler").mkdir()
            port = stack.enter_context(running_pgbouncer(folder, postgres))
            target = f"postgresql://postgres@127.0.0.1:{port}/{name_of(database)}"
        store = stack.enter_context(closing(Store(target, timeout_s=5.0)))
        for count in range(1, 4):
            await append(store, count)
        seen = await store.read(lambda it: set(it.exec_driver_sql("SELECT settings FROM seen").scalars()))
        assert (seen, await store.read(appended)) == ({"on 4500ms"}, [1, 2, 3])


async def test_a_server_that_says_nothing_more_is_found_out_and_another_one_is_asked(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a proxy that keeps connections to a machine that is gone."""
    monkeypatch.setattr(engine, "_HANG_S", 0.2)
    name = name_of(prepared_database(postgres))
    async with forwarding(socket_of(postgres)) as address:
        target = f"postgresql://postgres@127.0.0.1:{address.port}/{name}"
        with closing(Store(target, timeout_s=0.5)) as store:
            await append(store, 1)
            before = await store.write(session)
            address.fall_silent()
            hanging = asyncio.create_task(store.write(session))
            began = time.monotonic()
            with pytest.raises(StoreUnavailableError):
                await asyncio.wait_for(append(store, 2), 5)
            assert time.monotonic() - began < 4
            with pytest.raises(StoreUnavailableError):
                await asyncio.wait_for(hanging, 5)
            await append(store, 3)
            assert await store.write(session) != before
            assert (await store.read(appended))[-1] == 3


async def test_through_a_pooler_statements_are_not_prepared_and_settings_end_with_the_transaction(
    postgres: str, tmp_path: Path
) -> None:
    database = prepared_database(postgres)
    (folder := tmp_path / "pooler").mkdir()

    def settings(connection: Connection) -> tuple[str, ...]:
        names = ("transaction_isolation", "transaction_read_only", "timezone", "lock_timeout")
        query = ", ".join(f"current_setting('{name}')" for name in names)
        return tuple(connection.exec_driver_sql(f"SELECT {query}").one())

    with running_pgbouncer(folder, postgres) as port:
        target = f"postgresql://postgres@127.0.0.1:{port}/{name_of(database)}"
        with closing(Store(target, timeout_s=5.0)) as store:
            for _ in range(10):
                assert await store.read(settings) == ("repeatable read", "on", "UTC", "4500ms")
                assert await store.write(settings) == ("read committed", "off", "UTC", "4500ms")
        with closing(Store(target)) as unbound, unbound.transaction() as connection:
            assert connection.exec_driver_sql("SHOW lock_timeout").scalar_one() == "0"
            assert connection.exec_driver_sql("SELECT count(*) FROM pg_prepared_statements").scalar() == 0
