"""`receiver lost-hooks` and `receiver drift`."""

from typing import Annotated, Literal

import typer

from receiver.cli.local_api import ask, plain, query_of
from receiver.cli.output import (
    STDOUT,
    AccountOption,
    ConfigOption,
    CursorOption,
    JsonOption,
    LimitOption,
    QueueOption,
    SinceOption,
    counts_text,
    print_cursor,
    print_json,
    print_table,
    short_moment,
)
from receiver.domain.facts import Event
from receiver.tasks.finding_endpoints import list_findings, list_lost_hooks
from receiver.tasks.params import DriftQuery, LostHookQuery
from receiver.tasks.schemas import FindingPage


def lost_hooks(
    *,
    account: AccountOption = None,
    queue: QueueOption = None,
    event: Annotated[Event | None, typer.Option(help="Only this event.")] = None,
    since: SinceOption = None,
    suspected: Annotated[
        bool,
        typer.Option("--suspected", help="List hooks that may have arrived in deliveries without a task."),
    ] = False,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List expected hooks that did not arrive."""
    given = {"account": account, "queue_id": queue, "kind": event, "since": since}
    query = query_of(LostHookQuery, **given, suspected=suspected or None, limit=limit, cursor=cursor)
    title = "Suspected hooks" if suspected else "Lost hooks"
    _print_findings(title, ask(list_lost_hooks, query, {}, config), as_json=as_json)


def drift(
    *,
    account: AccountOption = None,
    queue: QueueOption = None,
    kind: Annotated[
        Literal["result", "cdr", "attempts", "gone", "silent"] | None, typer.Option(help="Only this kind.")
    ] = None,
    since: SinceOption = None,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List disagreements between hooks and API."""
    query = query_of(
        DriftQuery, account=account, queue_id=queue, kind=kind, since=since, limit=limit, cursor=cursor
    )
    _print_findings("Drift", ask(list_findings("drift"), query, {}, config), as_json=as_json)


def _print_findings(title: str, page: FindingPage, *, as_json: bool) -> None:
    answer = plain(page)
    if as_json:
        print_json(answer)
        return
    columns = ("account", "key", "queue_id", "kind", "count", "at", "detail")
    rows = [finding | {"at": short_moment(finding["at"])} for finding in answer["findings"]]
    print_table(title, columns, [[row[column] for column in columns] for row in rows])
    STDOUT.print("Total: " + (counts_text(answer["totals"]) or "none"))
    print_cursor(page.next_cursor)
