"""Migration histories that start with our first migration and continue with those of a test."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, Inspector, inspect, text

from receiver.maintenance import schema
from receiver.storage.engine import Store

_OURS = schema.MIGRATIONS

ADD = """
    with op.batch_alter_table("fact") as fact:
        fact.add_column(sa.Column("origin", sa.String()))
    op.create_table("note", sa.Column("id", sa.Integer(), primary_key=True))
"""
"""A migration that adds a column and a table."""


@dataclass
class History:
    """A folder of migrations that starts with the first one."""

    folder: Path
    last: int = 1

    def copy(self, revision: str) -> None:
        """Add one of our migrations."""
        copy_migration(revision, self.folder)
        self.last = int(revision)

    def add(self, body: str) -> str:
        """Add a migration with a body for its `upgrade`, and return its revision."""
        before, self.last = f"{self.last:04}", self.last + 1
        revision = f"{self.last:04}"
        lines = ["import sqlalchemy as sa", "from alembic import op", f"revision = {revision!r}"]
        lines += [f"down_revision = {before!r}", f"def upgrade():\n{body}"]
        (self.folder / "versions" / f"{revision}_test.py").write_text("\n".join(lines))
        return revision


def begun(folder: Path) -> History:
    """Return a history with our first migration."""
    (folder / "versions").mkdir(parents=True)
    shutil.copy(_OURS / "env.py", folder)
    copy_migration(schema.FIRST, folder)
    return History(folder)


def copy_migration(revision: str, folder: Path) -> None:
    """Copy one of our migrations into a folder of migrations."""
    (file,) = (_OURS / "versions").glob(f"{revision}_*.py")
    shutil.copy(file, folder / "versions")


def add_counts(connection: Connection) -> None:
    """Run revisions 0009 and 0018."""
    with Operations.context(MigrationContext.configure(connection)):
        for name in ("0009_counts", "0018_planned"):
            import_module(f"receiver.storage.migrations.versions.{name}").upgrade()


def take_back_counts(connection: Connection) -> None:
    """Undo revisions 0009 and 0018."""
    connection.execute(text("DROP TABLE task_count"))
    connection.execute(text("DROP INDEX task_by_oldest"))
    connection.execute(text("ALTER TABLE task DROP COLUMN crowding"))
    connection.execute(text("ALTER TABLE calendar DROP COLUMN planned"))


@contextmanager
def counting(connection: Connection) -> Iterator[None]:
    """Let the present fold work on an older store."""
    add_counts(connection)
    yield
    take_back_counts(connection)


def take_back(connection: Connection, revision: str) -> None:
    """Take the tables, columns and indexes back to those of a revision."""
    older, here = _at(revision), inspect(connection)
    for table in set(here.get_table_names()).difference(older):
        if table != "alembic_version":
            connection.execute(text(f"DROP TABLE {table}"))
    for table, before in older.items():
        for kind in ("INDEX", "COLUMN"):
            for name in _names(here, table)[kind] - before[kind]:
                alter = "" if kind == "INDEX" else f"ALTER TABLE {table} "
                connection.execute(text(f"{alter}DROP {kind} {name}"))
    connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def _at(revision: str) -> dict[str, dict[str, set[str]]]:
    """Return table → names of its indexes and columns at a revision."""
    with TemporaryDirectory() as folder, closing(Store(Path(folder) / "older.db")) as store:
        history = begun(Path(folder) / "migrations")
        for number in range(2, int(revision) + 1):
            history.copy(f"{number:04}")
        with pytest.MonkeyPatch.context() as patch, store.transaction() as connection:
            patch.setattr(schema, "MIGRATIONS", history.folder)
            patch.setattr(schema, "make_views", lambda _connection: None)
            schema.upgrade(connection)
            made = inspect(connection)
            return {table: _names(made, table) for table in made.get_table_names()}


def _names(inspector: Inspector, table: str) -> dict[str, set[str]]:
    found = inspector.get_indexes(table)
    indexes = {str(index["name"]) for index in found if "duplicates_constraint" not in index}
    return {"INDEX": indexes, "COLUMN": {column["name"] for column in inspector.get_columns(table)}}
