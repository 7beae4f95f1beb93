"""`receiver lost-hooks`, `receiver drift` and `receiver anomalies`."""

from typing import Annotated, Literal

import typer

from receiver.cli.local_api import ask, plain, query_of
from receiver.cli.output import (
    AccountOption,
    ConfigOption,
    CursorOption,
    JsonOption,
    LimitOption,
    QueueOption,
    counts_text,
    print_available,
    print_cursor,
    print_json,
    print_note,
    print_table,
    short_moment,
)
from receiver.cli.table_options import tabular, timed
from receiver.cli.tables import Column
from receiver.cli.times import PeriodOptions
from receiver.domain.facts import Event
from receiver.tasks.finding_endpoints import list_findings, list_lost_hooks
from receiver.tasks.params import AnomalyKind, AnomalyQuery, DriftQuery, LostHookQuery
from receiver.tasks.schemas import FindingPage


@tabular
@timed
def lost_hooks(
    *,
    account: AccountOption = None,
    queue: QueueOption = None,
    event: Annotated[Event | None, typer.Option(help="Only this event.")] = None,
    period: PeriodOptions,
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
    given = {"account": account, "queue_id": queue, "kind": event, **period.parameters()}
    query = query_of(LostHookQuery, **given, suspected=suspected or None, limit=limit, cursor=cursor)
    title = "Suspected hooks" if suspected else "Lost hooks"
    _print_findings(title, ask(list_lost_hooks, query, {}, config), as_json=as_json)


@tabular
@timed
def drift(
    *,
    account: AccountOption = None,
    queue: QueueOption = None,
    kind: Annotated[
        Literal["result", "cdr", "attempts", "gone", "silent"] | None, typer.Option(help="Only this kind.")
    ] = None,
    period: PeriodOptions,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List disagreements between hooks and API."""
    given = {"account": account, "queue_id": queue, "kind": kind, **period.parameters()}
    query = query_of(DriftQuery, **given, limit=limit, cursor=cursor)
    _print_findings("Drift", ask(list_findings("drift"), query, {}, config), as_json=as_json)


@tabular
@timed
def anomalies(
    *,
    account: AccountOption = None,
    queue: QueueOption = None,
    kind: Annotated[AnomalyKind | None, typer.Option(help="Only this kind.")] = None,
    period: PeriodOptions,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List facts that contradict others, could not be read, or came too late."""
    given = {"account": account, "queue_id": queue, "kind": kind, **period.parameters()}
    query = query_of(AnomalyQuery, **given, limit=limit, cursor=cursor)
    _print_findings("Anomalies", ask(list_findings("anomaly"), query, {}, config), as_json=as_json)


_COLUMNS = (
    *(Column("account"), Column("key"), Column("queue", optional=True), Column("kind")),
    *(Column("count"), Column("at"), Column("detail")),
)


def _print_findings(title: str, page: FindingPage, *, as_json: bool) -> None:
    answer = plain(page)
    if as_json:
        print_json(answer)
        return
    rows = [
        finding | {"at": short_moment(finding["at"]), "queue": finding["queue_name"] or finding["queue_id"]}
        for finding in answer["findings"]
    ]
    print_table(title, _COLUMNS, [[row[column.name] for column in _COLUMNS] for row in rows])
    print_available(answer)
    print_note("Total: " + (counts_text(answer["totals"]) or "none"))
    print_cursor(page.next_cursor)
