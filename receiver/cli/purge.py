"""`receiver purge`: one person's phone number goes out of the store."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from receiver.app import create_projector
from receiver.cli.local_api import ask, plain
from receiver.cli.output import STDERR, STDOUT, ConfigOption, JsonOption, print_json, print_table
from receiver.errors import StoreHeldError
from receiver.http.endpoint import Params
from receiver.ledger.projector import Projector
from receiver.maintenance.number_pattern import NumberPattern
from receiver.maintenance.purge import holding_files, rewrite
from receiver.maintenance.purge_endpoint import PurgeBody, purge_number
from receiver.settings.settings import Settings, load_settings
from receiver.storage.postgres import is_url
from receiver.storage.serve_lock import holding

_WORDS = {
    "tasks": "tasks with the number",
    "facts": "facts changed",
    "deliveries": "raw deliveries deleted",
    "outcomes": "published events changed",
    "answers": "answers of subscribers deleted",
    "other_rows": "other rows changed",
    "unsettled": "tasks that are not settled yet",
    "named": "rows named by the number, which stay",
    "left": "rows that got the number meanwhile",
}

_VACUUM = (
    "PostgreSQL keeps old rows until autovacuum has passed, and their bytes until the space is used again. "
    "`VACUUM FULL` writes the tables anew, and locks them. WAL archives and backups keep what they have."
)
_SERVED = (
    "`serve` runs, so the file was not written anew: free pages may still have old bytes. Stop `serve` and "
    "run this command once more."
)


def purge(
    *,
    phone: Annotated[str, typer.Option(help="The number in any spelling, best with country code.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be changed.")] = False,
    backups: Annotated[
        list[Path] | None,
        typer.Option(help="Folder or file to search for the number; repeatable. The store's folder is too."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take one person's phone number, and the names in its tasks, out of the store; sums stay.

    Names the files that still have the number: backups and exports in the store's folder and in --backups.
    Exit 1 if the store still has it.
    """
    settings = load_settings(config)
    body = PurgeBody(phone=phone, dry_run=dry_run)
    with STDERR.status("looking through the store …"):
        report = plain(ask(purge_number, Params(), {}, config, body=body, services=_services))
        report["file_rewritten"] = None if dry_run or is_url(settings.store) else _rewritten(settings.store)
        report["files"] = [str(path) for path in _files(settings, phone, backups or [])]
    if as_json:
        print_json(report)
    else:
        _print(report, settings)
    if not dry_run and (report["left"] or report["named"]):
        raise typer.Exit(1)


def _services(settings: Settings) -> dict[type, object]:
    return {Projector: create_projector(settings.fold)}


def _rewritten(store: str) -> bool:
    """Write the file anew if no server uses it. Return whether it was."""
    try:
        with holding(store):
            rewrite(Path(store))
    except StoreHeldError:
        return False
    return True


def _files(settings: Settings, phone: str, backups: Sequence[Path]) -> list[Path]:
    pattern = NumberPattern(phone, settings.regions, "")
    store = None if is_url(settings.store) else Path(settings.store)
    folders = [store.resolve().parent] if store else []
    return sorted(set(holding_files([*folders, *backups], pattern, store)))


def _print(report: dict[str, Any], settings: Settings) -> None:
    title = "Would be purged" if report["dry_run"] else f"Purged: the number is now {report['token']}"
    print_table(title, ("what", "number"), [(text, report[name]) for name, text in _WORDS.items()])
    for path in report["files"]:
        STDOUT.print(f"Still has the number: {path}", highlight=False, markup=False, soft_wrap=True)
    if report["files"]:
        STDERR.print(
            "Delete these files, or restore, purge and save them again. Compressed files were not read."
        )
    if report["dry_run"]:
        return
    if is_url(settings.store):
        STDERR.print(_VACUUM, highlight=False)
    elif not report["file_rewritten"]:
        STDERR.print(_SERVED, highlight=False)
    if report["unsettled"]:
        STDERR.print("Tasks that are not settled may get the number again: purge once more when they are.")
