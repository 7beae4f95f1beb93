"""The views for people with their own tools: what is in them, and that nothing else is in reach."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.pool import NullPool

from receiver.analytics.views import RELATIONS
from receiver.storage.bulk import is_postgres
from receiver.storage.engine import Store
from tests.analytics.lives import A, B, Lives, at, told
from tests.analytics.test_exports import milliseconds
from tests.manual import MANUAL
from tests.postgres import prepared_database

VIEWS = {relation.view: relation for relation in RELATIONS.values() if relation.view}
NINE = at("2026-03-02 09:00:00.250")


@pytest.fixture
def store(store_target: str) -> Iterator[Store]:
    lives = Lives()
    with told(
        store_target, lives.task(NINE, ["b:USER_BUSY", "ok"]), lives.task(NINE + 60, ["a:NO_ANSWER"])
    ) as store:
        yield store


@pytest.fixture
def postgres_url(postgres: str) -> str:
    """Of a database with one task."""
    url = prepared_database(postgres)
    with told(url, Lives().task(NINE, ["ok"])):
        return url


def test_they_have_the_documented_columns_in_their_order(store: Store) -> None:
    assert sorted(VIEWS) == ["v_attempts", "v_hooks", "v_outcomes", "v_queues", "v_tasks"]
    with store.snapshot() as connection:
        assert sorted(inspect(connection).get_view_names()) == sorted(VIEWS)
        for view, relation in VIEWS.items():
            found = connection.execute(text(f"SELECT * FROM {view} LIMIT 1"))
            assert list(found.keys()) == [field.name for field in relation.fields]


def test_on_postgresql_the_meaning_of_each_column_is_kept_beside_it(postgres_url: str) -> None:
    with create_engine(postgres_url, poolclass=NullPool).connect() as connection:
        for view, relation in VIEWS.items():
            comments = {
                column["name"]: column["comment"] for column in inspect(connection).get_columns(str(view))
            }
            assert comments == {field.name: field.about for field in relation.fields}


def test_numbers_are_masked_and_moments_are_moments(store: Store) -> None:
    with store.snapshot() as connection:
        first = connection.execute(text("SELECT * FROM v_tasks ORDER BY first_at")).mappings().first()
        attempts = connection.execute(text("SELECT * FROM v_attempts ORDER BY key, number")).mappings().all()
    assert first is not None
    assert (first["a_number"], first["b_number"]) == ("+799•••01", "+799•••02")
    assert (first["state"], first["finish_result"], first["attempts"]) == ("finished", "success", 2)
    assert milliseconds(first["created_at"]) == round((NINE - 30) * 1000)
    if is_postgres(connection):
        assert first["created_at"] == datetime.fromtimestamp(NINE - 30, UTC)
    assert [(row["number"], row["failed_leg"], bool(row["connected"])) for row in attempts] == [
        (1, "b", False),
        (2, None, True),
        (1, "a", False),
    ]
    assert not any(number in repr((first, attempts)) for number in (A, B))


def recipe() -> list[str]:
    """The statements that the manual gives: those that make the role, and one that it may run."""
    (block,) = re.findall(r"```sql\n(CREATE ROLE .+?)```", MANUAL["how-to/analyze"], re.DOTALL)
    return [statement.strip() for statement in block.split(";") if statement.strip()]


def test_the_role_of_the_manual_reads_the_views_and_nothing_else(postgres_url: str) -> None:
    *making, query = recipe()
    engine = create_engine(postgres_url, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            for statement in making:
                connection.exec_driver_sql(statement)
        with engine.connect() as connection:
            connection.exec_driver_sql("SET SESSION AUTHORIZATION analyst")
            connection.commit()
            rows = connection.exec_driver_sql(query.replace("%", "%%")).all()
            assert [(row.queue_id, float(row.success_rate)) for row in rows] == [("5", 1.0)]
            for relation in VIEWS.values():
                assert connection.scalar(text(f"SELECT count(*) FROM {relation.view}")) is not None
            connection.rollback()
            tables = [name for name in inspect(connection).get_table_names() if name not in VIEWS]
            assert {"task", "fact", "delivery", "rollup", "api_token"} <= set(tables)
            for table in tables:
                insist_on_refusal(connection, f"SELECT 1 FROM {table}")
            insist_on_refusal(connection, "DELETE FROM v_hooks")
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP OWNED BY analyst")
            connection.exec_driver_sql("DROP ROLE analyst")


def insist_on_refusal(connection: Connection, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        connection.execute(text(statement))
    connection.rollback()


@pytest.mark.parametrize("view", ["v_tasks", "v_attempts"])
def test_one_task_is_found_by_an_index(store: Store, view: str) -> None:
    """A view must not stand in the index's way."""
    with store.snapshot() as connection:
        explain = "EXPLAIN QUERY PLAN"
        if is_postgres(connection):
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # as with a table that is large
            explain = "EXPLAIN"
        query = f"{explain} SELECT * FROM {view} WHERE account = 'acme' AND key = 'r1'"
        plan = "\n".join(map(str, connection.exec_driver_sql(query)))
    assert not re.search(r"Seq Scan|'SCAN ", plan), plan
