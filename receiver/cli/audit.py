"""`receiver audit`: who did what."""

from typing import Annotated

import typer

from receiver.cli.local_api import ask, plain, query_of
from receiver.cli.output import (
    ConfigOption,
    CursorOption,
    JsonOption,
    LimitOption,
    counts_text,
    print_cursor,
    print_json,
    print_table,
    short_moment,
)
from receiver.cli.table_options import tabular, timed
from receiver.cli.tables import Column
from receiver.cli.times import PeriodOptions
from receiver.http.audit_endpoint import AuditQuery, list_audit


@tabular
@timed
def audit(
    *,
    actor: Annotated[
        str | None, typer.Option(help="Only by this token, or `cli:` and a user of the system.")
    ] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, such as numbers.find.")] = None,
    period: PeriodOptions,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List who did what: searches for phone numbers, retries, changes, newest first."""
    given = {"actor": actor, "action": action, **period.parameters()}
    query = query_of(AuditQuery, **given, limit=limit, cursor=cursor)
    page = plain(ask(list_audit, query, {}, config))
    if as_json:
        print_json(page)
        return
    rows = [
        [short_moment(row["at"]), row["actor"], row["action"], row["object"], _detail(row["detail"])]
        for row in page["records"]
    ]
    print_table("Audit", ("at", "actor", "action", "object", Column("detail", optional=True)), rows)
    print_cursor(page["next_cursor"])


def _detail(values: dict[str, object]) -> str:
    return ", ".join(f"{name} {counts_text(value)}" for name, value in values.items())
