"""`receiver reread`: deliveries that were kept before the mapping of their fields was right."""

import asyncio
from contextlib import aclosing, closing
from dataclasses import replace
from typing import Annotated, Any

import typer

from receiver.cli.local_api import plain, query_of
from receiver.cli.options import AccountOption, SinceOption
from receiver.cli.output import (
    STDERR,
    STDOUT,
    ConfigOption,
    JsonOption,
    print_json,
    print_table,
    short_moment,
)
from receiver.domain.fields import FieldReader
from receiver.inbox.rereader import Rereader, Selection
from receiver.intake.params import DeliveryQuery
from receiver.intake.reread_endpoint import RereadResult, RereadSum
from receiver.maintenance.schema import create_tables
from receiver.server import machine_environment
from receiver.settings.settings import Settings, load_settings
from receiver.storage.engine import Store
from receiver.storage.postgres import is_url

_PATIENCE_S = 60.0
"""How long to wait for SQLite's one writer: a `serve` that is busy leaves it only for moments."""

_SHOWN = 20
"""Changes that are shown one by one in the table."""

_SHOWN_TO_MACHINES = 1000


def reread(
    *,
    account: AccountOption = None,
    since: SinceOption = None,
    until: Annotated[str | None, typer.Option(help="Before this moment.")] = None,
    problem: Annotated[
        str | None,
        typer.Option(help="Only with a problem (`any`), without one (`none`), or with this one."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read deliveries again with the `aliases` of the settings file, and keep what they say now.

    For deliveries that came before the mapping was right. It may run beside `serve`, and may be broken off
    and started again: a delivery that says what it said before is left as it is. Facts are added, never
    changed. Restart `serve` first: it reads new hooks by the settings that it began with.
    """
    settings = load_settings(config)
    given = {"account": account, "since": since, "until": until, "problem": problem}
    asked = query_of(DeliveryQuery, **given)
    selection = Selection(asked.account, asked.since, asked.until, asked.problem)
    target = settings.store
    with closing(Store(target, None if is_url(target) else _PATIENCE_S)) as store:
        create_tables(store)
        total = RereadSum(_SHOWN_TO_MACHINES if as_json else _SHOWN)
        asyncio.run(_read(store, settings, selection, total, dry_run=dry_run))
    answer = total.answer(dry_run=dry_run)
    if as_json:
        print_json(plain(answer))
    else:
        _print(answer)
    if answer.failed:
        raise typer.Exit(1)


async def _read(
    store: Store, settings: Settings, selection: Selection, total: RereadSum, *, dry_run: bool
) -> None:
    clock = machine_environment(settings).clock
    # What comes from now on is read rightly, and would make it a chase.
    until = min(clock.now(), clock.now() if selection.until is None else selection.until)
    rereading = Rereader(store, FieldReader(settings.aliases), clock, is_dry=dry_run)
    with STDERR.status("reading deliveries again …") as status:
        async with aclosing(rereading.parts(replace(selection, until=until))) as outcomes:
            async for outcome in outcomes:
                total.add(outcome)
                status.update(f"reading deliveries again … {total.read:,} read, {total.changed:,} changed")


def _print(answer: RereadResult) -> None:
    would = "would change" if answer.dry_run else "changed"
    changes = plain(answer)["changes"]
    if changes:
        rows = [(each.account, each.event, each.change, each.deliveries) for each in answer.counts]
        print_table(f"Deliveries that {would}", ("account", "event", "change", "deliveries"), rows)
        columns = ("delivery", "received", "change", "task before", "task now", "other fields", "problem")
        print_table(f"The first {len(changes)}", columns, map(_row, changes))
    STDOUT.print(f"{answer.read} deliveries read again, {answer.changed} {would}.", highlight=False)
    if answer.failed:
        STDERR.print(f"{answer.failed} could not be read again; the log lines say more.", highlight=False)
    if answer.changed and not answer.dry_run:
        STDOUT.print("A running receiver folds their tasks within seconds, another one when it starts.")


def _row(change: dict[str, Any]) -> list[object]:
    tasks = (", ".join(change[name]) for name in ("before", "after"))
    fields = ", ".join(change["fields"])
    return [
        change["id"],
        short_moment(change["received_at"]),
        change["change"],
        *tasks,
        fields,
        change["problem"],
    ]
