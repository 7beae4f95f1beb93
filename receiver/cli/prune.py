"""`receiver db prune`: one run of retention."""

import asyncio
from collections import Counter
from typing import Annotated

import typer

from receiver.app import create_projector
from receiver.cli.output import STDERR, STDOUT, ConfigOption, JsonOption, print_json, print_table
from receiver.maintenance.expiry import Deleted
from receiver.maintenance.retention import Pruning
from receiver.maintenance.schema import open_store
from receiver.observability.metric_definitions import RETENTION_KINDS
from receiver.server import machine_environment
from receiver.settings.conversion import retention_rules
from receiver.settings.models import RetentionSettings
from receiver.settings.settings import Settings, load_settings
from receiver.storage.engine import Store
from receiver.storage.postgres import is_url

_WORDS = {
    "delivery": "raw deliveries",
    "set_aside": "deliveries that name no task",
    "task": "settled tasks",
    "fact": "their facts",
    "finding": "their findings",
    "link": "their links of ids and refs",
    "outcome": "their outcomes",
    "message": "their messages to subscribers",
    "posting": "attempts to deliver those",
    "audit": "audit records",
}

_SPACE = {
    False: "The file keeps its size; freed space is used again. See the manual, Delete old data.",
    True: "The files keep their size; autovacuum makes freed space usable again.",
}
"""Whether the store is PostgreSQL → what happens to freed space."""


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be deleted.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete rows that are older than the settings `retention.*` allow, as `serve` does every hour.

    It can run beside `serve`, since it deletes in small batches with pauses. Unsettled tasks and unfolded
    hooks stay. Deleted rows cannot be restored: make a backup first.
    """
    settings = load_settings(config)
    with open_store(settings.store) as store:
        deleted = asyncio.run(_count(store, settings) if dry_run else _delete(store, settings))
    if as_json:
        print_json({"dry_run": dry_run, "rows": {kind: deleted[kind] for kind in RETENTION_KINDS}})
        return
    _print(deleted, settings.retention, dry_run=dry_run)
    if not dry_run and deleted:
        STDERR.print(_SPACE[is_url(settings.store)], highlight=False)


def _pruning(store: Store, settings: Settings) -> Pruning:
    now = machine_environment(settings).clock.now()
    return Pruning(store, create_projector(settings.fold), retention_rules(settings.retention), now)


async def _count(store: Store, settings: Settings) -> Deleted:
    with STDERR.status("looking for expired rows …"):
        return await _pruning(store, settings).count()


async def _delete(store: Store, settings: Settings) -> Deleted:
    total: Deleted = Counter()
    with STDERR.status("looking for expired rows …") as status:
        async for batch in _pruning(store, settings).batches():
            total += batch.deleted
            status.update(f"deleting expired rows … {total.total()}")
            await asyncio.sleep(batch.rest_s)
    return total


def _print(deleted: Deleted, settings: RetentionSettings, *, dry_run: bool) -> None:
    days = dict.fromkeys(RETENTION_KINDS, settings.tasks_days)
    days |= {
        "delivery": settings.deliveries_days or settings.tasks_days,
        "set_aside": settings.set_aside_days,
        "audit": settings.audit_days,
    }
    rows = [(_WORDS[kind], _kept(days[kind]), deleted[kind]) for kind in RETENTION_KINDS]
    print_table("Would be deleted" if dry_run else "Deleted", ("what", "kept for", "rows"), rows)
    if not any(days.values()):
        STDOUT.print("Everything is kept forever: no setting of `retention.*` is set.")


def _kept(days: float | None) -> str:
    return f"{days:g} days" if days else "ever"
