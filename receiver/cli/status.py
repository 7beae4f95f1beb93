"""`receiver status`: what comes in, what waits, what fails."""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer

from receiver.cli.local_api import open_local_api, plain
from receiver.cli.output import (
    STDOUT,
    ConfigOption,
    JsonOption,
    counts_text,
    print_json,
    print_note,
    print_table,
    short_moment,
)
from receiver.cli.table_options import zoned
from receiver.cli.tables import Column
from receiver.cli.times import Moment, display, times
from receiver.maintenance.status import StatusQuery, StatusView, read_status


@zoned
def status(
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Print it again and again until ^C.")] = False,
    every: Annotated[float, typer.Option(help="Seconds between two looks of --watch.", min=0.5)] = 2.0,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print hooks a minute, oldest waits, failing subscriptions, lost hooks, leases and quotas.

    It is read from the store, so it works without a running receiver.
    """
    with open_local_api(config) as api, suppress(KeyboardInterrupt):
        while True:
            display().times = None  # the present of this look
            found = api.ask(read_status, StatusQuery(zone=times().calendar.name), {})
            if watch and STDOUT.is_terminal:
                STDOUT.clear()
            if as_json:
                print_json(plain(found))
            else:
                _print(found)
            if not watch:
                return
            time.sleep(every)


def _print(found: StatusView) -> None:
    hooks = found.hooks
    last = f", the last one {Moment(hooks.last_at).age}" if hooks.last_at else ""
    lines = [
        f"Status at {Moment(found.at).dated} {times().calendar.name}",
        f"Hooks: {hooks.last_minute} in the last minute, {hooks.per_minute:g} a minute in the last hour"
        f"{last}",
        f"Lost hooks today: {counts_text(hooks.lost_today) or 'none'}",
        f"Set aside: {found.set_aside_hooks} hooks, {found.set_aside_tasks} tasks",
    ]
    for line in lines:
        print_note(line)
    print_note("")
    _table("Waits", "nothing waits", ("stage", "waiting", "due since"), _waits(found))
    columns: Sequence[str | Column]
    columns = ("name", "state", "failing since", "problem", "waiting", "dead", Column("id", optional=True))
    nothing = f"none fails of {found.subscriptions}" if found.subscriptions else "there are none"
    _table("Subscriptions that fail or are off", nothing, columns, _failing(found))
    held = [[lease.name, lease.holder, _left(lease.expires_in_s)] for lease in found.leases]
    _table("Leases", "no receiver is running", ("work", "receiver", "ends"), held)
    columns = ("account", "part", "last pass", "failing since", "API calls left", "problem")
    _table("Reconciliation", "no pass yet", columns, _accounts(found))


def _table(title: str, nothing: str, columns: Sequence[str | Column], rows: list[list[Any]]) -> None:
    if rows:
        print_table(title, columns, rows)
    else:
        print_note(f"{title}: {nothing}.")
        print_note("")


def _waits(found: StatusView) -> list[list[Any]]:
    return [[wait.stage, wait.waiting, short_moment(wait.due_since)] for wait in found.waits]


def _failing(found: StatusView) -> list[list[Any]]:
    return [
        [row.name, row.state, short_moment(row.failing_since), row.problem, row.pending, row.dead, row.id]
        for row in found.failing
    ]


def _accounts(found: StatusView) -> list[list[Any]]:
    return [
        [
            row.account,
            row.part,
            short_moment(row.at),
            short_moment(row.failing_since),
            None if row.quota_remaining is None else f"{row.quota_remaining}/{row.quota_limit}",
            "; ".join(row.problems),
        ]
        for row in found.accounts
    ]


def _left(seconds: float) -> str:
    """Return when a lease ends."""
    return f"in {seconds:.0f} s" if seconds > 0 else f"expired {-seconds:.0f} s ago"
