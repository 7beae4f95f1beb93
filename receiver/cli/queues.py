"""`receiver queues list`."""

from typing import ClassVar

import typer

from receiver.cli.lazy import LazyCommand, LazyGroup
from receiver.cli.local_api import ask, plain, query_of
from receiver.cli.output import (
    AccountOption,
    ConfigOption,
    JsonOption,
    counts_text,
    print_json,
    print_table,
    short_moment,
)
from receiver.cli.table_options import tabular
from receiver.http.params import AccountQuery
from receiver.tasks.queue_endpoints import list_queues


class _QueueCommands(LazyGroup):
    lazy: ClassVar = {
        "create": LazyCommand(
            "receiver.cli.queues_create",
            "create",
            "Create a queue at the scheduler. If its answer is lost, check with `list` before you try again.",
        )
    }


queues_app = typer.Typer(cls=_QueueCommands, no_args_is_help=True, help="Queues at the scheduler.")


@queues_app.command("list")
@tabular
def list_of_queues(
    account: AccountOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """List queues, their tasks by state, and their latest sweep."""
    answer = plain(ask(list_queues, query_of(AccountQuery, account=account), {}, config))
    if as_json:
        print_json(answer)
        return
    columns = ("account", "queue_id", "name", "status", "tasks", "swept_at", "sweep_error")
    rows = [queue | {"swept_at": short_moment(queue["swept_at"])} for queue in answer["queues"]]
    print_table("Queues", columns, [[counts_text(row[column]) for column in columns] for row in rows])
