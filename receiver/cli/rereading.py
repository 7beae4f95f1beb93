"""`receiver reread`: stored deliveries are read again, after a correction of the field mapping."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Any

import typer

from receiver.cli.local_api import cli_caller, plain, query_of, resolved
from receiver.cli.output import (
    STDERR,
    STDOUT,
    AccountOption,
    ConfigOption,
    JsonOption,
    print_json,
    print_table,
    short_moment,
)
from receiver.cli.table_options import timed, zoned
from receiver.cli.times import PeriodOptions, use_settings
from receiver.domain.fields import FieldReader
from receiver.http.audit import record_entry
from receiver.inbox.delivery_problems import require_problem
from receiver.inbox.rereader import Rereader, Selection
from receiver.intake.params import DeliveryQuery
from receiver.intake.reread_endpoint import RereadResult, RereadSum, reread_entry
from receiver.maintenance.schema import open_store
from receiver.server import machine_environment
from receiver.settings.settings import Settings, load_settings
from receiver.storage.engine import Store
from receiver.storage.postgres import is_url

_TIMEOUT_S = 60.0
"""Timeout for SQLite's write lock in seconds; long, since a busy `serve` releases it only briefly."""

_SHOWN = 20
"""Maximum number of changes in the table."""

_SHOWN_AS_JSON = 1000


@zoned
@timed
def reread(
    *,
    account: AccountOption = None,
    period: PeriodOptions,
    problem: Annotated[
        str | None,
        typer.Option(help="Only deliveries with a problem (`any`), without one (`none`), or with this one."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would change.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read stored deliveries again with the current `aliases`, and record what changed.

    For deliveries that were received with a wrong mapping. `serve` can run meanwhile; restart it first, so
    that it reads new hooks by the new mapping. An interrupted run can be started again: unchanged
    deliveries are left alone. Facts are added, never changed. Who ran it is recorded, see `receiver audit`.
    """
    settings = load_settings(config)
    use_settings(settings)
    asked = query_of(DeliveryQuery, account=account, problem=problem, **period.parameters())
    selection = Selection(asked.account, asked.since, asked.until, asked.problem)
    target = settings.store
    with open_store(target, None if is_url(target) else _TIMEOUT_S) as store:
        with store.snapshot() as connection:
            resolved(connection, asked)
            require_problem(connection, asked.problem)
        total = RereadSum(_SHOWN_AS_JSON if as_json else _SHOWN)
        try:
            asyncio.run(_read(store, settings, selection, total, dry_run=dry_run))
        finally:
            # An interrupted run has changed deliveries, too.
            answer = total.answer(dry_run=dry_run)
            if not dry_run:
                _record(store, settings, asked.account, answer)
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
    # Later deliveries are read by the new mapping, and the run must end.
    until = min(clock.now(), clock.now() if selection.until is None else selection.until)
    rereading = Rereader(store, FieldReader(settings.aliases), clock, is_dry=dry_run)
    with STDERR.status("reading deliveries again …") as status:
        async with aclosing(rereading.parts(replace(selection, until=until))) as outcomes:
            async for outcome in outcomes:
                total.add(outcome)
                status.update(f"reading deliveries again … {total.read:,} read, {total.changed:,} changed")


def _record(store: Store, settings: Settings, account: str | None, answer: RereadResult) -> None:
    entry = reread_entry(cli_caller(()).actor, account, answer)
    with store.transaction() as connection:
        record_entry(connection, machine_environment(settings).clock.now(), entry)


def _print(answer: RereadResult) -> None:
    would = "would change" if answer.dry_run else "changed"
    changes = plain(answer)["changes"]
    if changes:
        rows = [(each.account, each.event, each.change, each.deliveries) for each in answer.counts]
        print_table(f"Deliveries that {would}", ("account", "event", "change", "deliveries"), rows)
        columns = ("delivery", "received", "change", "task before", "task now", "other fields", "problem")
        print_table(f"First {len(changes)} changes", columns, map(_row, changes))
    STDOUT.print(f"{answer.read} deliveries read again, {answer.changed} {would}.", highlight=False)
    if answer.failed:
        STDERR.print(f"{answer.failed} could not be read again; see the log.", highlight=False)
    if answer.changed and not answer.dry_run:
        STDOUT.print(
            "Their tasks are folded by a running receiver within seconds, otherwise at its next start."
        )


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
