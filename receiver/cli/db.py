"""`receiver db`: which schema the store has, how it gets the one it needs, and copies of it."""

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from receiver.analytics.rollups import count_uncounted
from receiver.cli.output import STDERR, STDOUT, ConfigOption, JsonOption, print_json, print_table
from receiver.cli.prune import prune
from receiver.errors import InputError, StoreError
from receiver.maintenance import schema
from receiver.maintenance.backup import Copy, back_up
from receiver.settings.settings import Settings, load_settings
from receiver.storage.engine import Store
from receiver.storage.postgres import is_url, shown

db_app = typer.Typer(no_args_is_help=True, help="The store's schema, and copies of the store.")
db_app.command("prune")(prune)

_FIT = {"fit": "fits", "empty": "empty: its tables are made by the first command that needs them"}

_POSTGRESQL = """a PostgreSQL store is copied by PostgreSQL's own tools:
  pg_dump --format=custom --file=FILE DATABASE       a copy of one moment; pg_restore brings it back
  pg_basebackup --pgdata=FOLDER --checkpoint=fast    with WAL archiving: any point in time
The manual, "Back up and restore", has the steps."""


@db_app.command("current")
def current(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Which revision the store is at and which one this version needs. Exits 1 if they do not fit."""
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
        bool, typer.Option("--backup/--no-backup", help="Copy a SQLite store beside itself first.")
    ] = True,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the store to the schema that this version needs, all at once or not at all. Stop `serve` first.

    The copy of a SQLite store is named after what it is older than, such as receiver.db.before-0003.
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
        _tell(before, applied, copy)
        if uncounted:
            text = f"{uncounted} tasks are in no figures yet: run `receiver rebuild`, beside `serve` too."
            STDOUT.print(text, highlight=False)


def _upgrade(store: Store, file: Path | None) -> tuple[schema.Standing, list[str], Copy | None]:
    """What was there, the revisions that were applied, and the copy that was made of `file` before that."""
    copy = None
    try:
        with store.migration() as connection:
            before = schema.examine(connection)
            if file is not None and before.verdict == "older":
                # Nobody else writes meanwhile, so the copy is just what is migrated.
                copy = _copy_beside(file)
            return before, schema.upgrade(connection), copy
    except BaseException:
        if copy:  # the store is what it was, and the copy would only be in the next one's way
            copy.file.unlink()
        raise


def _tell(before: schema.Standing, applied: list[str], copy: Copy | None) -> None:
    if copy:
        STDOUT.print(f"Before that copied to {copy.file}: {_content(copy)}.", highlight=False)
    if before.verdict == "older" and before.revision is None:
        STDOUT.print(f"Made by receiver 0.1.0: now known as revision {schema.FIRST}.", highlight=False)
    if applied:
        STDOUT.print(f"Applied: {', '.join(applied)}.", highlight=False)
    if before.verdict == "fit":
        STDOUT.print(f"Nothing to do: the store is at revision {before.revision}.", highlight=False)


@db_app.command("backup")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The copy to make.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a SQLite store, as it is at this moment, beside a running `serve`; then check the copy."""
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


def _copy_beside(file: Path) -> Copy:
    target = file.with_name(f"{file.name}.before-{schema.head()}")
    if target.exists():
        raise InputError("backup", f"{target} is there already: move it away, or say --no-backup")
    return _copy(file, target, force=False)


def _copy(source: Path, target: Path, *, force: bool) -> Copy:
    if not source.is_file():
        raise InputError("store", f"there is no file {source} to copy")
    if not target.parent.is_dir():
        raise InputError("FILE", f"there is no folder {target.parent}")
    if target.exists() and (target.is_dir() or target.samefile(source) or not force):
        raise InputError("FILE", f"{target} is there already; --force replaces another file than the store")
    logs = [log for log in (Path(f"{target}{end}") for end in ("-wal", "-journal")) if log.exists()]
    if logs:
        # SQLite would take it for the copy's and play it into it.
        raise InputError("FILE", f"{logs[0]} is left of another database: move it away first")
    with STDERR.status(f"copying {source} …") as status:
        return back_up(source, target, lambda part: status.update(_stage(source, part)))


def _stage(source: Path, part: float) -> str:
    return f"copying {source} … {part:.0%}" if part < 1 else "checking the copy …"


def _content(copy: Copy) -> str:
    counts = f"{copy.facts} facts, {copy.deliveries} deliveries, {copy.unread} unread hooks"
    return f"{copy.size / 2**20:.1f} MiB, {counts}"


def _standing(settings: Settings) -> schema.Standing:
    """Looks without leaving anything behind: to open a SQLite file that is not there would make it."""
    file = _sqlite_file(settings)
    if file is not None and file.parent.is_dir() and not file.exists():
        return schema.Standing("empty")
    with closing(Store(settings.store)) as store, store.snapshot() as connection:
        return schema.examine(connection)


def _sqlite_file(settings: Settings) -> Path | None:
    """None where the store is on a PostgreSQL server."""
    return None if is_url(settings.store) else Path(settings.store)


def _named(settings: Settings) -> str:
    """The store, without a password that its URL may hold."""
    file = _sqlite_file(settings)
    return str(file) if file else shown(str(settings.store))
