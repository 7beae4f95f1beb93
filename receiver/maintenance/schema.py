"""The schema's revisions: which one a database is at, which one this version needs, and how to get there.

Every function takes a connection that is in a transaction, and leaves its end to the caller: what fails
half-way leaves nothing, on SQLite and on PostgreSQL.
"""

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

from receiver.analytics.views import drop_views, make_views
from receiver.errors import SchemaError
from receiver.storage import migrations
from receiver.storage.engine import Store
from receiver.storage.tables import METADATA, complete_indexes

MIGRATIONS = Path(migrations.__path__[0])

_TABLE_MODULES = (
    "analytics.tables",
    "http.tokens",
    "inbox.tables",
    "ledger.tables",
    "outcomes.tables",
    "storage.leases",
    "storage.operator_events",
    "tasks.tables",
)

FIRST = "0001"
"""The schema of 0.1.0, which wrote down no revision."""

_FIRST_TABLES = frozenset({"delivery", "fact", "link", "task", "finding", "queue", "sweep", "api_token"})

_VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""As Alembic makes it, which need not be imported to look at it."""

_LOCK = int.from_bytes(b"receiver", "big")
"""PostgreSQL's advisory lock of whoever makes or changes tables."""

Verdict = Literal["fit", "empty", "older", "newer", "foreign"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a database stands to this version. `revision`: None where none is written down. `problem`: why this
    version cannot work on it, and what to do about that.
    """

    verdict: Verdict
    revision: str | None = None
    problem: str | None = None


def complete_metadata() -> MetaData:
    """Return the metadata with all tables. Their modules are imported here: most commands need only a few."""
    for module in _TABLE_MODULES:
        import_module(f"receiver.{module}")
    complete_indexes()
    return METADATA


def head() -> str:
    """The revision that this version needs."""
    return _revisions()[-1]


def current(connection: Connection) -> str | None:
    """The revision that is written down in the database."""
    if not inspect(connection).has_table(_VERSION.name):
        return None
    return connection.scalar(select(_VERSION.c.version_num))


def examine(connection: Connection) -> Standing:
    """How the database stands to this version. Changes nothing."""
    revision = current(connection)
    if revision is None:
        return _examine_unversioned(connection)
    if revision == head():
        return Standing("fit", revision)
    if revision in _revisions():
        return Standing("older", revision, _outdated(f"is at revision {revision}"))
    unknown = f"the store is at revision {revision}, which this version does not know: it needs {head()}; "
    return Standing(
        "newer", revision, unknown + "install the newer receiver that made it, or restore a backup"
    )


def _examine_unversioned(connection: Connection) -> Standing:
    there = set(inspect(connection).get_table_names())
    if not there & (_FIRST_TABLES | complete_metadata().tables.keys()):
        return Standing("empty")
    if there >= _FIRST_TABLES:
        return Standing("older", None, _outdated(f"was made by receiver 0.1.0 (revision {FIRST})"))
    lacks = f"the store lacks tables that receiver has: {', '.join(sorted(_FIRST_TABLES - there))}; "
    return Standing("foreign", None, lacks + "give it a database of its own, or restore a backup")


def _outdated(state: str) -> str:
    return f"the store {state} and this version needs {head()}: run `receiver db upgrade`"


def create_tables(store: Store) -> None:
    """Create the tables of an empty store. Raise SchemaError if the store has tables of another version."""
    with store.transaction() as connection:
        prepare(connection)


def prepare(connection: Connection) -> None:
    """Make the tables of an empty database. Raises SchemaError where there are tables of another version."""
    _lock(connection)
    standing = examine(connection)
    if standing.problem:
        raise SchemaError(standing.problem)
    if standing.verdict == "empty":
        complete_metadata().create_all(connection)
        make_views(connection)
        _stamp(connection, head())


def upgrade(connection: Connection) -> list[str]:
    """Migrate to this version's revision; the revisions that were applied. One of 0.1.0 is adopted as FIRST.

    Raises SchemaError where there is no way.
    """
    _lock(connection)
    standing = examine(connection)
    if standing.verdict in ("newer", "foreign"):
        raise SchemaError(standing.problem)
    if standing.verdict == "older" and standing.revision is None:
        _stamp(connection, FIRST)
    if standing.verdict == "fit":
        return []
    drop_views(connection)
    applied = _migrate(connection)
    make_views(connection)
    return applied


def _migrate(connection: Connection) -> list[str]:
    # Only who migrates waits for this import.
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
    """All that this version knows, oldest first; each is the beginning of its file's name."""
    return sorted(path.name[: len(FIRST)] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _stamp(connection: Connection, revision: str) -> None:
    _VERSION.create(connection, checkfirst=True)
    connection.execute(insert(_VERSION).values(version_num=revision))


def _lock(connection: Connection) -> None:
    """Let nobody else make or change tables until the transaction ends. On SQLite it is alone already."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
