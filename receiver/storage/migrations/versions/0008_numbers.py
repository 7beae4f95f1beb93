"""Numbers that leave the database are never reused; progress of a message's format.

PostgreSQL never reuses numbers. On SQLite a table must be created again for that. SQLite copies its rows in
the order on disk, as `INSERT … SELECT *` does between tables of the same columns, and sorts the other
indexes in files, since they would not fit into memory.
"""

import re

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_TABLES = ("fact", "outcome", "message", "posting", "operator_event")

_GIVEN = {
    "outcome": "SELECT max(outcome_seq) FROM message UNION ALL SELECT max(body_seq) FROM message",
    "message": "SELECT max(message_seq) FROM posting",
}
"""Table → numbers of its rows that other tables name: perhaps of rows that are deleted by now."""

_KEY = re.compile(r"PRIMARY KEY \((\"?seq\"?)\)")


def upgrade() -> None:
    op.add_column("message", sa.Column("kept", sa.Text()))
    if op.get_context().dialect.name == "sqlite":
        for table in _TABLES:
            _make_anew(table)
        for table in _TABLES:
            _begin_behind(table)


def _make_anew(table: str) -> None:
    """The same table with AUTOINCREMENT, its rows, indexes and triggers."""
    connection = op.get_bind()
    parts = sa.text(
        "SELECT type, sql FROM sqlite_master WHERE tbl_name = :table AND sql IS NOT NULL "
        "ORDER BY type = 'table' DESC, rowid"
    )
    (_, made), *others = connection.execute(parts, {"table": table}).all()
    if "AUTOINCREMENT" in made:
        return
    columns, keys = _KEY.subn(r"PRIMARY KEY (\1 AUTOINCREMENT)", made[made.index("(") :])
    if keys != 1:
        raise RuntimeError(
            f"the table {table} is not as receiver has made it: its primary key is not `seq` alone"
        )
    for statement in (
        f"CREATE TABLE made_anew {columns}",
        f"INSERT INTO made_anew SELECT * FROM {table}",  # noqa: S608 - our own words
        f"DROP TABLE {table}",
        # Without this, views and triggers of others that name the table would keep it from being renamed.
        "PRAGMA legacy_alter_table = ON",
        f"ALTER TABLE made_anew RENAME TO {table}",
        "PRAGMA legacy_alter_table = OFF",
        *(sql for _, sql in others),
    ):
        connection.exec_driver_sql(statement)


def _begin_behind(table: str) -> None:
    """New rows get numbers behind all that are known to have been given out."""
    connection = op.get_bind()
    known = [f"SELECT max(seq) FROM {table}", *filter(None, [_GIVEN.get(table)])]  # noqa: S608 - our own words
    last = max(
        (each or 0 for each in connection.exec_driver_sql(" UNION ALL ".join(known)).scalars()), default=0
    )
    connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
    connection.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, last))
