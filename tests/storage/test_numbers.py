"""Numbers that leave the database are never given out twice, on both databases and after an upgrade."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table, delete, func, insert, inspect, select, text

from receiver.http.audit import AUDIT
from receiver.inbox.tables import INBOX
from receiver.ledger.tables import FACT
from receiver.maintenance import schema
from receiver.outcomes.tables import DELIVERY_ATTEMPT, MESSAGE, OUTCOME
from receiver.storage.engine import Store
from receiver.storage.operator_events import OPERATOR_EVENT
from tests.maintenance.histories import begun

ROWS: dict[Table, dict[str, Any]] = {
    FACT: {"id": "f", "account": "acme", "ref": "r1", "kind": "hook", "at": 1.0, "said": "{}"},
    INBOX: {"at": 1.0, "count": 1, "bytes": 1, "batch": b"x"},
    OUTCOME: {
        "id": "e",
        "account": "acme",
        "key": "r1",
        "type": "task.finished",
        "number": 0,
        "result": "busy",
        "at": 1.0,
        "told_at": 1.0,
        "data": "{}",
    },
    MESSAGE: {
        "subscription": "crm",
        "outcome_seq": 1,
        "body_seq": 1,
        "replay": 0,
        "account": "acme",
        "key": "r1",
        "state": "delivered",
        "due_at": 1.0,
        "made_at": 1.0,
        "attempts": 1,
    },
    DELIVERY_ATTEMPT: {"message_seq": 1, "number": 1, "at": 1.0, "took_s": 0.1},
    OPERATOR_EVENT: {"kind": "k", "subject": "s", "detail": "d", "at": 1.0},
    AUDIT: {"at": 1.0, "actor": "desk", "action": "numbers.find", "object": "…4787", "detail": "{}"},
}
"""A row of each table with numbers that leave the database."""

EACH = pytest.mark.parametrize("table", ROWS, ids=[table.name for table in ROWS])


def add(connection: Connection, table: Table, number: int) -> int:
    """A row that differs from the others in what must be unique; its number."""
    row = dict(ROWS[table])
    row |= {name: f"{row[name]}{number}" for name in ("id",) if name in row}
    row |= {name: number for name in ("replay",) if name in row}
    key = next(iter(table.primary_key))
    return int(connection.execute(insert(table).returning(key), [row]).scalar() or 0)


@EACH
def test_the_number_of_a_deleted_row_is_not_given_again(table: Table, store: Store) -> None:
    with store.transaction() as connection:
        given = [add(connection, table, number) for number in range(3)]
        connection.execute(delete(table).where(next(iter(table.primary_key)) >= given[1]))
    with store.transaction() as connection:
        assert add(connection, table, 4) > given[2]
        connection.execute(delete(table))
    with store.transaction() as connection:
        assert add(connection, table, 5) > given[2] + 1


def test_every_table_that_numbers_its_rows_is_looked_at() -> None:
    numbered = {
        table
        for table in schema.complete_metadata().sorted_tables
        if len(table.primary_key) == 1 and next(iter(table.primary_key)).name in ("seq", "number")
    }
    assert numbered == set(ROWS)


OTHERS = (
    "CREATE INDEX mine ON fact (kind) WHERE at > 1",
    "CREATE TABLE heard (id TEXT)",
    "CREATE TRIGGER hear AFTER INSERT ON fact BEGIN INSERT INTO heard VALUES (new.id); END",
    "CREATE VIEW both_of_them AS SELECT fact.id, outcome.result FROM fact, outcome",
)
"""What an operator may have added."""


@pytest.fixture
def older(tmp_path: Path) -> Iterator[Store]:
    """A SQLite store at revision 0007."""
    history = begun(tmp_path / "migrations")
    for number in range(2, 8):
        history.copy(f"{number:04}")
    with closing(Store(tmp_path / "receiver.db")) as store:
        with pytest.MonkeyPatch.context() as patch, store.transaction() as connection:
            patch.setattr(schema, "MIGRATIONS", history.folder)
            patch.setattr(schema, "make_views", lambda _connection: None)
            schema.upgrade(connection)
        yield store


def upgrade(store: Store) -> None:
    with store.transaction() as connection:
        assert "0008" in schema.upgrade(connection)


def contents(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Table → its rows, of the tables that the store has."""
    with store.snapshot() as connection:
        there = set(inspect(connection).get_table_names())
        return {
            name: [dict(row._mapping) for row in connection.execute(text(f"SELECT * FROM {name} ORDER BY 1"))]
            for name in (table.name for table in ROWS)
            if name in there
        }


def without_new_columns(
    contents: dict[str, list[dict[str, Any]]], before: dict[str, list[dict[str, Any]]]
) -> dict[str, list[dict[str, Any]]]:
    """Return the contents with the tables and columns of before."""
    return {
        name: [{column: row[column] for column in rows[0]} for row in contents[name]]
        for name, rows in before.items()
    }


def objects(store: Store) -> dict[str, str]:
    """Name → kind of all that is in the file but for our views."""
    with store.snapshot() as connection:
        query = text("SELECT name, type FROM sqlite_master WHERE name NOT LIKE 'v\\_%' ESCAPE '\\'")
        return dict(map(tuple, connection.execute(query)))


def fill(connection: Connection, rows: int) -> None:
    for table, values in ROWS.items():
        if table is AUDIT:  # newer than the store
            continue
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join(f":{name}" for name in values)
        for number in range(rows):
            row = values | ({"id": f"{number}"} if "id" in values else {})
            row |= {"replay": number} if "replay" in row else {}
            connection.execute(text(f"INSERT INTO {table.name} ({names}) VALUES ({marks})"), row)


def test_an_upgrade_keeps_all_there_is_and_gives_no_number_again(older: Store) -> None:
    with older.transaction() as connection:
        fill(connection, 5)
        for statement in OTHERS:
            connection.exec_driver_sql(statement)
    before, there = contents(older), objects(older)
    upgrade(older)
    assert without_new_columns(contents(older), before) == before
    replaced = {"task_by_queue"}  # by task_by_queue_time
    assert objects(older).items() >= {name: there[name] for name in there.keys() - replaced}.items()
    with older.transaction() as connection:
        for table in ROWS:
            connection.execute(delete(table))
    with older.transaction() as connection:
        assert {table.name: add(connection, table, 9) for table in ROWS} == dict.fromkeys(before, 6) | {
            "audit": 1
        }
        assert connection.scalars(text("SELECT id FROM heard")).all() == ["f9"]
        assert connection.scalars(text("SELECT result FROM both_of_them")).all() == ["busy"]


def test_numbers_that_other_rows_still_name_are_known_to_have_been_given(older: Store) -> None:
    with older.transaction() as connection:
        fill(connection, 1)
        connection.execute(text("UPDATE message SET body_seq = 41"))
        connection.execute(text("UPDATE posting SET message_seq = 73"))
    upgrade(older)
    with older.transaction() as connection:
        assert add(connection, OUTCOME, 9) == 42
        assert add(connection, MESSAGE, 9) == 74


def test_an_empty_store_is_upgraded_too(older: Store) -> None:
    upgrade(older)
    with older.transaction() as connection:
        assert {add(connection, table, 0) for table in ROWS} == {1}


def test_an_upgrade_that_fails_half_way_leaves_the_store_as_it_was(older: Store) -> None:
    with older.transaction() as connection:
        fill(connection, 3)
        connection.exec_driver_sql("CREATE TABLE made_anew (x)")  # a name that the migration uses
    before, there = contents(older), objects(older)
    with pytest.raises(Exception, match="made_anew"), older.transaction() as connection:
        schema.upgrade(connection)
    assert (contents(older), objects(older)) == (before, there)
    with older.snapshot() as connection:
        assert schema.current(connection) == "0007"
        assert connection.scalar(select(func.count()).select_from(FACT)) == 3


def test_what_a_migration_sorts_or_may_undo_needs_no_memory(older: Store) -> None:
    with older.migration() as connection:
        assert connection.scalar(text("PRAGMA temp_store")) == 1


def test_rows_are_copied_as_they_lie_on_disk(older: Store) -> None:
    """Unless both tables are of one shape, SQLite makes each row anew and sorts the unique index."""
    with older.transaction() as connection:
        sql = connection.scalar(text("SELECT sql FROM sqlite_master WHERE name = 'fact'"))
        assert sql
        columns = sql[sql.index("(") :].replace("(seq)", "(seq AUTOINCREMENT)")
        connection.exec_driver_sql(f"CREATE TABLE made_anew {columns}")
        plan = connection.exec_driver_sql("EXPLAIN INSERT INTO made_anew SELECT * FROM fact").all()
    assert {"RowData", "Insert"} <= {row.opcode for row in plan}
    assert "MakeRecord" not in {row.opcode for row in plan if row.p4 and "made_anew" in str(row.p4)}
    assert "Column" not in [row.opcode for row in plan][: [row.opcode for row in plan].index("RowData")]
