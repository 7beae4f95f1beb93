"""`receiver deliveries`: what came to the hook URLs."""

import base64
from typing import Annotated, Any

import typer
from rich.text import Text

from receiver.cli.local_api import ask, plain, query_of
from receiver.cli.output import (
    STDOUT,
    AccountOption,
    ConfigOption,
    CursorOption,
    JsonOption,
    LimitOption,
    NumbersOption,
    print_available,
    print_cursor,
    print_json,
    print_table,
    short_moment,
)
from receiver.cli.table_options import tabular, timed, zoned
from receiver.cli.tables import Column
from receiver.cli.times import PeriodOptions, moment_of
from receiver.domain.facts import Event
from receiver.domain.masking import mask_text, mask_tree
from receiver.http.endpoint import Params
from receiver.inbox.payload import read_payload
from receiver.intake.endpoints import get_delivery, list_deliveries
from receiver.intake.params import DeliveryQuery
from receiver.intake.schemas import DeliveryDetails

deliveries_app = typer.Typer(no_args_is_help=True, help="What came to the hook URLs: list, show.")

_COLUMNS = (
    *(Column("received_at"), Column("account", optional=True), Column("event"), Column("ref")),
    *(Column("problem"), Column("size", optional=True), Column("peer", optional=True), Column("id")),
)


@deliveries_app.command("list")
@tabular
@timed
def list_(
    *,
    ref: Annotated[str | None, typer.Option(help="Only with this ref in the URL.")] = None,
    account: AccountOption = None,
    event: Annotated[Event | None, typer.Option(help="Only this event.")] = None,
    problem: Annotated[
        str | None, typer.Option(help="any: only with a problem; none: only without; else this problem.")
    ] = None,
    period: PeriodOptions,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List deliveries that `serve` has read, newest first."""
    given = {"ref": ref, "account": account, "event": event, "problem": problem, **period.parameters()}
    page = ask(list_deliveries, query_of(DeliveryQuery, **given, limit=limit, cursor=cursor), {}, config)
    answer = plain(page)
    if as_json:
        print_json(answer)
        return
    rows = [row | {"received_at": short_moment(row["received_at"])} for row in answer["deliveries"]]
    print_table("Deliveries", _COLUMNS, [[row[column.name] for column in _COLUMNS] for row in rows])
    print_available(answer)
    print_cursor(page.next_cursor)


@deliveries_app.command("show")
@zoned
def show(
    delivery: Annotated[str, typer.Argument(metavar="ID", help="Id of the delivery, as `list` prints it.")],
    *,
    numbers: NumbersOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a delivery as it came, and the fields that are read from it.

    Phone numbers are masked, and query and body are left out, unless `--numbers` is given.
    """
    details = ask(get_delivery, Params(), {"id": delivery}, config, numbers=numbers)
    fields = _fields(details, numbers)
    if as_json:
        print_json(_shown(details, numbers) | {"fields": fields})
        return
    _print(_shown(details, numbers))
    print_table("Fields", ("name", "value"), [(field["name"], field["value"]) for field in fields])


def _shown(details: DeliveryDetails, numbers: bool) -> dict[str, Any]:
    """Return the delivery; without numbers its query and body are empty, and texts are masked."""
    row: dict[str, Any] = plain(details)
    if numbers:
        return row
    headers = [header | {"value": mask_text(header["value"])} for header in row["headers"]]
    readings = [
        reading | {"text": str(mask_tree(reading["text"], reading["name"]))} for reading in row["readings"]
    ]
    return row | {"headers": headers, "query": None, "body": None, "readings": readings}


def _fields(details: DeliveryDetails, numbers: bool) -> list[dict[str, str]]:
    """Return the fields that are read from query and body, in order."""
    headers = {header.name: header.value for header in details.headers}
    is_text = details.body_encoding == "utf-8"
    body = details.body.encode() if is_text else base64.b64decode(details.body)
    payload = read_payload(
        details.query, headers.get("content-type", ""), body, headers.get("content-encoding", "")
    )
    return [
        {"name": name, "value": value if numbers else str(mask_tree(value, name))}
        for name, value in payload.pairs
    ]


def _print(row: dict[str, Any]) -> None:
    """Print the request line, the headers and, if they are there, query and body."""
    at = moment_of(row["received_at"])
    head = f"{at}  {row['method']}  {row['event']}  {row['account']}/{row['ref'] or 'fixed URL'}"
    STDOUT.print(Text(head, "bold"))
    peer = f"from {row['peer']}, " if row["peer"] else ""
    STDOUT.print(f"{peer}{row['size']} bytes", markup=False, highlight=False)
    if row["problem"]:
        STDOUT.print(Text(f"not read: {row['problem']}", "bold yellow"))
    lines = [f"{header['name']}: {header['value']}" for header in row["headers"]]
    lines += [f"\n?{row['query']}"] if row["query"] else []
    lines += [f"\n{row['body']}"] if row["body"] else []
    STDOUT.print("\n".join(["", *lines, ""]), markup=False, highlight=False)
    if row["body"] is None and row["size"]:
        STDOUT.print(Text("Query and body are shown with --numbers.", "dim"))
