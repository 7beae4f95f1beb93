"""`receiver db`: the store's schema, its upgrade, and backups."""

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from receiver.analytics.rollups import count_uncounted
from receiver.cli.output import STDERR, STDOUT, ConfigOption, JsonOption, print_json, print_table
from receiver.cli.prune import prune
from receiver.errors import InputError, StoreError
from receiver.maintenance import schema
from receiver.maintenance.backup import Backup, back_up
from receiver.maintenance.restore import restore
from receiver.settings.settings import Settings, load_settings
from receiver.storage.engine import Store
from receiver.storage.postgres import is_url, shown

db_app = typer.Typer(no_args_is_help=True, help="Schema, backups and retention of the store.")
db_app.command("prune")(prune)

_FIT = {"fit": "fits", "empty": "empty: the first command that needs tables creates them"}

_POSTGRESQL = """use PostgreSQL's own tools to back up a PostgreSQL store:
  pg_dump --format=custom --file=FILE DATABASE       a snapshot; pg_restore restores it
  pg_basebackup --pgdata=FOLDER --checkpoint=fast    with WAL archiving: any point in time
The manual, "Back up and restore", has the steps."""


@db_app.command("current")
def current(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print the store's revision and the revision that this version needs; exit 1 if they do not fit."""
    settings = load_settings(config)
    standing = _standing(settings)
    shown: dict[str, Any] = {
        "database": _named(settings),
        "revision": standing.revision,
        "needs": schema.head(),
        "verdict": standing.verdict,
        "problem": standing.problem,
    }
    if as_json:
        print_json(shown)
    else:
        verdict = standing.problem or _FIT[standing.verdict]
        row = [shown["database"], shown["revision"], shown["needs"], verdict]
        print_table("Schema", ("database", "revision", "needs", "verdict"), [row])
    if standing.problem:
        raise typer.Exit(1)


@db_app.command("upgrade")
def upgrade(
    backup: Annotated[
        bool, typer.Option("--backup/--no-backup", help="Back up a SQLite store first, into the same folder.")
    ] = True,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Upgrade the store to the schema of this version, in one transaction. Stop `serve` first.

    The backup of a SQLite store is named after the new revision, such as receiver.db.before-0003.
    """
    settings = load_settings(config)
    file = _sqlite_file(settings) if backup else None
    with closing(Store(settings.store)) as store:
        before, applied, copy = _upgrade(store, file)
        with store.snapshot() as connection:
            uncounted = count_uncounted(connection)
    if as_json:
        way = {"from": before.revision, "to": schema.head(), "applied": applied, "uncounted": uncounted}
        print_json({"database": _named(settings), **way, "backup": copy and str(copy.file)})
    else:
        _print_upgrade(before, applied, copy)
        if uncounted:
            text = f"{uncounted} tasks are not counted yet: run `receiver rebuild` (beside `serve`)."
            STDOUT.print(text, highlight=False)


def _upgrade(store: Store, file: Path | None) -> tuple[schema.SchemaStatus, list[str], Backup | None]:
    """Return the standing before, the applied revisions, and the backup of `file`."""
    copy = None
    try:
        with store.migration() as connection:
            before = schema.examine(connection)
            if file is not None and before.verdict == "older":
                # The transaction excludes other writers, so the backup has exactly what is migrated.
                copy = _copy_beside(file)
            return before, schema.upgrade(connection), copy
    except BaseException:
        if copy:  # the store is unchanged, and the file would be in the way of the next attempt
            copy.file.unlink()
        raise


def _print_upgrade(before: schema.SchemaStatus, applied: list[str], copy: Backup | None) -> None:
    if copy:
        STDOUT.print(f"Backup: {copy.file}, {_content(copy)}.", highlight=False)
    if before.verdict == "older" and before.revision is None:
        STDOUT.print(f"Made by receiver 0.1.0: recorded as revision {schema.FIRST}.", highlight=False)
    if applied:
        STDOUT.print(f"Applied: {', '.join(applied)}.", highlight=False)
    if before.verdict == "fit":
        STDOUT.print(f"Nothing to do: the store is at revision {before.revision}.", highlight=False)


@db_app.command("backup")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup file.")],
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Back up a SQLite store and check the backup. `serve` can run meanwhile."""
    settings = load_settings(config)
    source = _sqlite_file(settings)
    if source is None:
        raise StoreError(_POSTGRESQL)
    copy = _copy(source, file, force=force)
    if as_json:
        counts = {"facts": copy.facts, "deliveries": copy.deliveries, "unread": copy.unread}
        print_json({"file": str(copy.file), "bytes": copy.size, "sound": True, **counts})
    else:
        STDOUT.print(f"{copy.file}: {_content(copy)}; checked, sound.", highlight=False)


@db_app.command("restore")
def restore_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup file.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a backup of a SQLite store, and put it in the store's place. Stop `serve` first.

    The store that it replaces is kept beside it, as receiver.db.replaced-TIME.
    """
    settings = load_settings(config)
    store = _sqlite_file(settings)
    if store is None:
        raise StoreError(_POSTGRESQL)
    if not file.is_file():
        raise InputError("FILE", f"there is no file {file}")
    if store.exists() and file.samefile(store):
        raise InputError("FILE", f"{file} is the store itself; name a backup")
    with STDERR.status(f"copying {file} …") as status:
        done = restore(file, store, lambda part: status.update(_stage(file, part)))
    if as_json:
        counts = {"facts": done.backup.facts, "deliveries": done.backup.deliveries}
        replaced = done.replaced and str(done.replaced)
        print_json({"store": str(store), "revision": done.revision, "replaced": replaced, **counts})
        return
    STDOUT.print(f"{store} is now {file}: {_content(done.backup)}.", highlight=False)
    if done.replaced:
        STDOUT.print(f"The store before is {done.replaced}.", highlight=False)
    if done.revision != schema.head():
        STDOUT.print(f"It is of revision {done.revision}: run `receiver db upgrade`.", highlight=False)
    STDOUT.print(
        "Start `receiver serve`, then run `receiver reconcile --once`: it asks the API what happened since.\n"
        "Outcomes that were delivered since the backup may be delivered again.",
        highlight=False,
    )


def _copy_beside(file: Path) -> Backup:
    target = file.with_name(f"{file.name}.before-{schema.head()}")
    if target.exists():
        raise InputError("backup", f"{target} exists: move it away, or use --no-backup")
    return _copy(file, target, force=False)


def _copy(source: Path, target: Path, *, force: bool) -> Backup:
    if not source.is_file():
        raise InputError("store", f"there is no file {source}")
    if not target.parent.is_dir():
        raise InputError("FILE", f"there is no folder {target.parent}")
    if target.exists() and (target.is_dir() or target.samefile(source) or not force):
        raise InputError("FILE", f"{target} exists; --force replaces a file, unless it is the store")
    logs = [log for log in (Path(f"{target}{end}") for end in ("-wal", "-journal")) if log.exists()]
    if logs:
        # SQLite would apply this log to the backup.
        raise InputError("FILE", f"{logs[0]} belongs to another database: move it away first")
    with STDERR.status(f"copying {source} …") as status:
        return back_up(source, target, lambda part: status.update(_stage(source, part)))


def _stage(source: Path, part: float) -> str:
    return f"copying {source} … {part:.0%}" if part < 1 else "checking the copy …"


def _content(copy: Backup) -> str:
    counts = f"{copy.facts} facts, {copy.deliveries} deliveries, {copy.unread} unread hooks"
    return f"{copy.size / 2**20:.1f} MiB, {counts}"


def _standing(settings: Settings) -> schema.SchemaStatus:
    """Examine the schema. A missing SQLite file is not opened, since that would create it."""
    file = _sqlite_file(settings)
    if file is not None and file.parent.is_dir() and not file.exists():
        return schema.SchemaStatus("empty")
    with closing(Store(settings.store)) as store, store.snapshot() as connection:
        return schema.examine(connection)


def _sqlite_file(settings: Settings) -> Path | None:
    """Return the SQLite file, or None for PostgreSQL."""
    return None if is_url(settings.store) else Path(settings.store)


def _named(settings: Settings) -> str:
    """Return the store's path or URL, without its password."""
    file = _sqlite_file(settings)
    return str(file) if file else shown(str(settings.store))
