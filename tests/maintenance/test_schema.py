"""Revisions of the schema, on SQLite and on PostgreSQL."""

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from receiver.errors import SchemaError, StoreUnavailableError
from receiver.maintenance import schema
from tests.maintenance.databases import SCHEMA_OF_0_1_0, Begin, postgres_database, shape, sqlite_database
from tests.maintenance.histories import ADD, History, begun

FACT = "INSERT INTO fact (id, account, kind, at, said) VALUES (:id, 'acme', 'hook', 1.0, '{}')"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Begin]:
    """Makes a new empty database whenever it is called."""
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        return lambda: postgres_database(server)
    return lambda: sqlite_database(tmp_path / f"{len(list(tmp_path.iterdir()))}.db")


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    """Our history when it began, in place of what it is today."""
    history = begun(tmp_path / "migrations")
    monkeypatch.setattr(schema, "MIGRATIONS", history.folder)
    # The views are of the tables of today.
    monkeypatch.setattr(schema, "make_views", lambda connection: None)
    return history


def look(begin: Begin) -> tuple[schema.SchemaStatus, dict[str, object], list[str]]:
    """How the database stands, all its tables, and the ids of its facts."""
    with begin() as connection:
        tables = shape(connection)
        facts = connection.scalars(text("SELECT id FROM fact ORDER BY seq")).all() if "fact" in tables else []
        return schema.examine(connection), tables, list(facts)


def made_by_0_1_0(begin: Begin) -> None:
    """A database of the first schema, without a revision, with rows. The history must have just begun."""
    with begin() as connection:
        schema.upgrade(connection)
        connection.execute(text("DROP TABLE alembic_version"))
        connection.execute(text(FACT), [{"id": f"f{number}"} for number in range(3)])


def refusal(work: Callable[[Connection], object], begin: Begin) -> str:
    """The text with which the work refuses this database, in which nothing changes."""
    before = look(begin)
    with pytest.raises(SchemaError) as caught, begin() as connection:
        work(connection)
    assert not isinstance(caught.value, StoreUnavailableError), "nobody should wait and try again"
    assert look(begin) == before
    return str(caught.value)


def test_migrations_make_the_tables_that_the_models_have(database: Callable[[], Begin]) -> None:
    migrated, created = database(), database()
    with migrated() as connection:
        assert schema.upgrade(connection)[0] == schema.FIRST
    with created() as connection:
        schema.prepare(connection)
    assert look(migrated) == look(created)
    assert look(created)[0] == schema.SchemaStatus("fit", schema.head())
    for begin in (migrated, created):
        with begin() as connection:
            assert compare_metadata(MigrationContext.configure(connection), schema.complete_metadata()) == []


def test_the_first_migration_makes_what_0_1_0_made(history: History, tmp_path: Path) -> None:
    migrated, released = (sqlite_database(tmp_path / name) for name in ("migrated.db", "released.db"))
    with migrated() as connection:
        schema.upgrade(connection)
        connection.execute(text("DROP TABLE alembic_version"))
    with released() as connection:
        for statement in SCHEMA_OF_0_1_0.split(";\n"):
            connection.exec_driver_sql(statement)
    assert look(migrated) == look(released)


def test_files_of_migrations_are_named_after_their_revisions() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    script = ScriptDirectory.from_config(config)
    revisions = [each.revision for each in script.walk_revisions()][::-1]
    files = sorted(path.name for path in (schema.MIGRATIONS / "versions").glob("*.py"))
    assert [name.partition("_")[0] for name in files] == revisions
    assert revisions[0] == schema.FIRST
    assert script.get_current_head() == revisions[-1] == schema.head()


def test_a_database_that_is_fit_stays_as_it_is(database: Callable[[], Begin]) -> None:
    begin = database()
    with begin() as connection:
        schema.prepare(connection)
        connection.execute(text(FACT), {"id": "f0"})
    before = look(begin)
    with begin() as connection:
        schema.prepare(connection)
        assert schema.upgrade(connection) == []
    assert look(begin) == before


def test_a_database_of_0_1_0_is_adopted_and_keeps_its_rows(
    database: Callable[[], Begin], history: History
) -> None:
    begin = database()
    made_by_0_1_0(begin)
    second = history.add(ADD)
    with begin() as connection:
        assert schema.upgrade(connection) == [second]
    standing, tables, facts = look(begin)
    assert standing == schema.SchemaStatus("fit", second)
    assert facts == ["f0", "f1", "f2"]
    assert {"note", "alembic_version"} < set(tables)
    with begin() as connection:
        assert "origin" in {column["name"] for column in inspect(connection).get_columns("fact")}


def test_a_migration_can_change_what_has_no_name_on_sqlite(
    database: Callable[[], Begin], history: History
) -> None:
    begin = database()
    made_by_0_1_0(begin)
    history.add(
        """
    names = {"uq": "%(table_name)s_%(column_0_name)s_key"}
    with op.batch_alter_table("fact", naming_convention=names) as fact:
        fact.drop_constraint("fact_id_key", type_="unique")
        fact.create_unique_constraint("fact_id_in_account", ["account", "id"])
"""
    )
    with begin() as connection:
        schema.upgrade(connection)
    with begin() as connection:
        unique = inspect(connection).get_unique_constraints("fact")
        indexes = {index["name"] for index in inspect(connection).get_indexes("fact")}
    assert [(each["name"], each["column_names"]) for each in unique] == [
        ("fact_id_in_account", ["account", "id"])
    ]
    assert {"fact_by_ref", "fact_by_task_id"} <= indexes
    assert look(begin)[2] == ["f0", "f1", "f2"]


def test_a_migration_that_fails_leaves_nothing_half_done(
    database: Callable[[], Begin], history: History
) -> None:
    begin = database()
    made_by_0_1_0(begin)
    before = look(begin)
    history.add(ADD)
    history.add(
        '    op.drop_table("link")\n    op.execute("DELETE FROM fact")\n    raise RuntimeError("half way")'
    )
    with pytest.raises(RuntimeError, match="half way"), begin() as connection:
        schema.upgrade(connection)
    now = look(begin)
    assert now[0].verdict == before[0].verdict == "older"
    assert now[0].revision is None
    assert now[1:] == before[1:]


def test_a_database_of_0_1_0_is_refused_until_it_is_upgraded(
    database: Callable[[], Begin], history: History
) -> None:
    begin = database()
    made_by_0_1_0(begin)
    history.add(ADD)
    assert refusal(schema.prepare, begin) == (
        "the store was made by receiver 0.1.0 (revision 0001) and this version needs 0002: "
        "run `receiver db upgrade`"
    )


def test_an_older_revision_is_refused_until_it_is_upgraded(
    database: Callable[[], Begin], history: History
) -> None:
    begin = database()
    with begin() as connection:
        schema.upgrade(connection)
    history.add(ADD)
    assert refusal(schema.prepare, begin) == (
        "the store is at revision 0001 and this version needs 0002: run `receiver db upgrade`"
    )
    with begin() as connection:
        assert schema.upgrade(connection) == ["0002"]


@pytest.mark.parametrize("work", [schema.prepare, schema.upgrade])
def test_a_newer_revision_is_refused(
    work: Callable[[Connection], object], database: Callable[[], Begin]
) -> None:
    begin = database()
    with begin() as connection:
        schema.prepare(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    error = refusal(work, begin)
    assert error.startswith("the store is at revision 0999, which this version does not know: it needs ")
    assert error.endswith("; install the newer receiver that made it, or restore a backup")


@pytest.mark.parametrize("work", [schema.prepare, schema.upgrade])
def test_tables_of_somebody_else_are_left_alone(
    work: Callable[[Connection], object], database: Callable[[], Begin]
) -> None:
    begin = database()
    with begin() as connection:
        connection.execute(text("CREATE TABLE queue (number INTEGER)"))
    assert "the store lacks tables that receiver has: api_token, delivery, fact" in refusal(work, begin)


def test_tasks_of_a_store_that_is_upgraded_are_asked_about_when_they_are_due(
    database: Callable[[], Begin], history: History
) -> None:
    begin = database()
    for before in ("0002", "0003"):
        history.copy(before)
    columns = "attempts, attempts_exact, gone, settled, first_at, confidence, last_at"
    columns += ", expected, arrived, duplicates, lost, account, state, key, task_id, due_at, due_for"
    values = "0, false, false, false, 1.0, 'events', 1.0, '{}', '{}', '{}', '{}', 'acme', 'new', "
    with begin() as connection:
        schema.upgrade(connection)
        for task in (
            "'known', '7', 7.5, 'progress'",
            "'heard', NULL, 8.5, 'progress'",
            "'ended', NULL, 9.5, 'confirm'",
            "'settled', '6', NULL, NULL",
        ):
            connection.exec_driver_sql(f"INSERT INTO task ({columns}) VALUES ({values}{task})")
    history.copy("0004")
    with begin() as connection:
        assert schema.upgrade(connection) == ["0004"]
        rows = connection.execute(text("SELECT key, due_at, due_for, ask_at, asks FROM task ORDER BY key"))
        assert [tuple(row) for row in rows] == [
            ("ended", 9.5, "confirm", 9.5, 0),
            ("heard", 8.5, "find", 8.5, 0),
            ("known", 7.5, "progress", 7.5, 0),
            ("settled", None, None, None, 0),
        ]


def test_processes_that_start_at_once_make_the_tables_once(postgres: str) -> None:
    begin, together = postgres_database(postgres), threading.Barrier(6)

    def start() -> None:
        with begin() as connection:
            together.wait(10)
            schema.prepare(connection)

    with ThreadPoolExecutor(6) as pool:
        for started in [pool.submit(start) for _ in range(6)]:
            started.result(30)
    with begin() as connection:
        assert connection.scalars(text("SELECT version_num FROM alembic_version")).all() == [schema.head()]


def test_an_upgrade_waits_for_who_makes_the_tables(postgres: str) -> None:
    begin = postgres_database(postgres)

    def upgrade() -> list[str]:
        with begin() as connection:
            return schema.upgrade(connection)

    with ThreadPoolExecutor(1) as pool:
        with begin() as connection:
            schema.prepare(connection)
            waiting = pool.submit(upgrade)
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
        assert waiting.result(30) == []


def test_only_who_migrates_loads_alembic(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
import receiver.cli
from receiver.maintenance.schema import create_tables
from receiver.storage.engine import Store
for _ in "twice":
    store = Store(Path("receiver.db"))
    create_tables(store)
    store.close()
assert "alembic" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=60)
