"""`receiver queues`, `lost-hooks` and `drift`: lists of what was found out."""

from typing import Annotated, Any

import typer

from receiver.api.findings import list_findings
from receiver.api.params import AccountQuery, DriftQuery, LostHookQuery
from receiver.api.queues import list_queues
from receiver.api.shapes import FindingPage
from receiver.cli.options import AccountOption, CursorOption, LimitOption, QueueOption, SinceOption
from receiver.cli.output import STDOUT, ConfigOption, JsonOption, print_json, print_table, say_next
from receiver.cli.reading import ask, plain, query_of

queues_app = typer.Typer(no_args_is_help=True, help="Queues at the scheduler.")


@queues_app.command("list")
def list_of_queues(
    account: AccountOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Queues, how many tasks they hold by state, and when they were last read through."""
    answer = plain(ask(list_queues, query_of(AccountQuery, account=account), {}, config))
    if as_json:
        print_json(answer)
        return
    columns = ("account", "queue_id", "name", "status", "tasks", "swept_at", "sweep_error")
    print_table(
        "Queues", columns, [[_flat(queue.get(column)) for column in columns] for queue in answer["queues"]]
    )


def _flat(value: Any) -> Any:
    return ", ".join(f"{count} {name}" for name, count in value.items()) if isinstance(value, dict) else value


def lost_hooks(
    *,
    account: AccountOption = None,
    queue: QueueOption = None,
    event: Annotated[str | None, typer.Option(help="Only this event.")] = None,
    since: SinceOption = None,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hooks that had to come, by their task's plan and end, and did not."""
    query = query_of(
        LostHookQuery, account=account, queue_id=queue, kind=event, since=since, limit=limit, cursor=cursor
    )
    _print_findings("Lost hooks", ask(list_findings("lost_hook"), query, {}, config), as_json=as_json)


def drift(
    *,
    account: AccountOption = None,
    queue: QueueOption = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    since: SinceOption = None,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Disagreements between hooks and API."""
    query = query_of(
        DriftQuery, account=account, queue_id=queue, kind=kind, since=since, limit=limit, cursor=cursor
    )
    _print_findings("Drift", ask(list_findings("drift"), query, {}, config), as_json=as_json)


def _print_findings(title: str, page: FindingPage, *, as_json: bool) -> None:
    answer = plain(page)
    if as_json:
        print_json(answer)
        return
    columns = ("account", "key", "queue_id", "kind", "count", "detail", "at")
    print_table(title, columns, [[finding[column] for column in columns] for finding in answer["findings"]])
    STDOUT.print("In all: " + (_flat(answer["totals"]) or "none"))
    say_next(page.next_cursor)
