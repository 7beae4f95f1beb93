"""Schema revisions: examine, create and upgrade the tables of a database.

Every function takes a connection in a transaction that the caller ends. So a failure leaves no changes, on
SQLite and on PostgreSQL.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    func,
    insert,
    inspect,
    select,
)

from receiver.analytics.view_sql import drop_views, make_views
from receiver.errors import SchemaError
from receiver.storage import migrations
from receiver.storage.engine import Store
from receiver.storage.tables import METADATA, complete_indexes

MIGRATIONS = Path(migrations.__path__[0])

_TABLE_MODULES = (
    "analytics.tables",
    "console.sign_in.tables",
    "http.audit",
    "http.tokens",
    "inbox.tables",
    "ledger.tables",
    "outcomes.tables",
    "reconcile.tables",
    "storage.leases",
    "storage.operator_events",
    "tasks.tables",
)

FIRST = "0001"
"""Revision of the schema of 0.1.0, which stored no revision."""

_FIRST_TABLES = frozenset({"delivery", "fact", "link", "task", "finding", "queue", "sweep", "api_token"})

_VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's table, declared here so that Alembic need not be imported to read it."""

_LOCK = int.from_bytes(b"receiver", "big")
"""PostgreSQL's advisory lock for creating and changing tables."""

Fit = Literal["fit", "empty", "older", "newer", "foreign"]


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Whether a database fits this version. `revision`: None if none is stored. `problem`: why this version
    cannot use it, and how to fix that.
    """

    verdict: Fit
    revision: str | None = None
    problem: str | None = None


def complete_metadata() -> MetaData:
    """Return the metadata with all tables. It imports their modules, since most commands need only a few."""
    for module in _TABLE_MODULES:
        import_module(f"receiver.{module}")
    complete_indexes()
    return METADATA


def head() -> str:
    """Return the revision that this version needs."""
    return _revisions()[-1]


def current(connection: Connection) -> str | None:
    """Return the revision that the database stores, or None."""
    if not inspect(connection).has_table(_VERSION.name):
        return None
    return connection.scalar(select(_VERSION.c.version_num))


def examine(connection: Connection) -> SchemaStatus:
    """Return whether the database fits this version. Changes nothing."""
    revision = current(connection)
    if revision is None:
        return _examine_unversioned(connection)
    if revision == head():
        return SchemaStatus("fit", revision)
    if revision in _revisions():
        return SchemaStatus("older", revision, _outdated(f"is at revision {revision}"))
    unknown = f"the store is at revision {revision}, which this version does not know: it needs {head()}; "
    return SchemaStatus(
        "newer", revision, unknown + "install the newer receiver that made it, or restore a backup"
    )


def _examine_unversioned(connection: Connection) -> SchemaStatus:
    tables = set(inspect(connection).get_table_names())
    if not tables & (_FIRST_TABLES | complete_metadata().tables.keys()):
        return SchemaStatus("empty")
    if tables >= _FIRST_TABLES:
        return SchemaStatus("older", None, _outdated(f"was made by receiver 0.1.0 (revision {FIRST})"))
    lacks = f"the store lacks tables that receiver has: {', '.join(sorted(_FIRST_TABLES - tables))}; "
    return SchemaStatus("foreign", None, lacks + "give it a database of its own, or restore a backup")


def _outdated(state: str) -> str:
    return f"the store {state} and this version needs {head()}: run `receiver db upgrade`"


@contextmanager
def open_store(target: str | Path, timeout_s: float | None = None) -> Iterator[Store]:
    """Open a store with its tables, and close it at the end. Raise what `create_tables` raises."""
    with closing(Store(target, timeout_s)) as store:
        create_tables(store)
        yield store


def create_tables(store: Store) -> None:
    """Create the tables of an empty store. Raise SchemaError if the store has tables of another version."""
    with store.transaction() as connection:
        prepare(connection)


def prepare(connection: Connection) -> None:
    """Create the tables of an empty database. Raises SchemaError if it has tables of another version."""
    _lock(connection)
    status = examine(connection)
    if status.problem:
        raise SchemaError(status.problem)
    if status.verdict == "empty":
        complete_metadata().create_all(connection)
        make_views(connection)
        _stamp(connection, head())


def upgrade(connection: Connection) -> list[str]:
    """Migrate to this version's revision and return the applied revisions. A store of 0.1.0 starts at FIRST.

    Raises SchemaError if the database is newer or not ours.
    """
    _lock(connection)
    status = examine(connection)
    if status.verdict in ("newer", "foreign"):
        raise SchemaError(status.problem)
    if status.verdict == "older" and status.revision is None:
        _stamp(connection, FIRST)
    if status.verdict == "fit":
        return []
    drop_views(connection)
    applied = _migrate(connection)
    make_views(connection)
    return applied


def _migrate(connection: Connection) -> list[str]:
    # A slow import that only migrations need.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    applied: list[str] = []

    def note(*, step: Any, **_more: Any) -> None:
        applied.append(step.up_revision_id)

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes.update(connection=connection, applied=note)
    command.upgrade(config, "head")
    return applied


def _revisions() -> list[str]:
    """Return the revisions that this version knows, oldest first, by the prefixes of their files."""
    return sorted(path.name[: len(FIRST)] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _stamp(connection: Connection, revision: str) -> None:
    _VERSION.create(connection, checkfirst=True)
    connection.execute(insert(_VERSION).values(version_num=revision))


def _lock(connection: Connection) -> None:
    """Lock the schema until the transaction ends. On SQLite the writer is alone already."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
