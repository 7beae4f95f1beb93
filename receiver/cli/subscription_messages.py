"""`receiver subscriptions messages` and `message`."""

from typing import Annotated

import typer

from receiver.cli.local_api import ask, plain, query_of
from receiver.cli.output import (
    STDOUT,
    ConfigOption,
    CursorOption,
    JsonOption,
    LimitOption,
    print_cursor,
    print_json,
    print_table,
    short_moment,
)
from receiver.cli.subscription_options import NameArgument
from receiver.cli.table_options import tabular
from receiver.http.endpoint import Params
from receiver.outcomes.message_endpoints import get_message, list_messages
from receiver.outcomes.params import MessageQuery


@tabular
def messages(
    *,
    name: NameArgument,
    state: Annotated[
        str | None,
        typer.Option(help="Only messages in this state: waiting, held, delivered, dead or dropped."),
    ] = None,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List messages of a subscription, newest first."""
    query = query_of(MessageQuery, state=state, limit=limit, cursor=cursor)
    page = ask(list_messages, query, {"subscription": name}, config)
    answer = plain(page)
    if as_json:
        print_json(answer)
        return
    columns = ("seq", "event", "type", "state", "attempts", "replay", "made_at", "due_at")
    rows = [
        row | {"made_at": short_moment(row["made_at"]), "due_at": short_moment(row["due_at"])}
        for row in answer["messages"]
    ]
    print_table("Messages", columns, [[row[each] for each in columns] for row in rows])
    print_cursor(page.next_cursor)


@tabular
def message(
    seq: Annotated[int, typer.Argument(help="Number of the message.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one message with all its delivery attempts."""
    answer = plain(ask(get_message, Params(), {"message": str(seq)}, config))
    if as_json:
        print_json(answer)
        return
    message_ = answer["message"]
    STDOUT.print(f"{message_['type']} {message_['event']}: {message_['state']}", highlight=False)
    columns = ("number", "at", "took_s", "status", "problem", "answer")
    rows = [row | {"at": short_moment(row["at"])} for row in answer["postings"]]
    print_table("Attempts", columns, [[row[each] for each in columns] for row in rows])
