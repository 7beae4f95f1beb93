"""`receiver set-aside`: hooks that could not be read and tasks that could not be folded."""

from pathlib import Path
from typing import Annotated

import typer

from receiver.cli.local_api import ask, plain, query_of
from receiver.cli.output import (
    STDOUT,
    AccountOption,
    ConfigOption,
    CursorOption,
    JsonOption,
    LimitOption,
    print_cursor,
    print_json,
    print_note,
    print_table,
    short_moment,
)
from receiver.cli.table_options import tabular
from receiver.cli.tables import Column
from receiver.errors import InputError
from receiver.http.endpoint import Params
from receiver.inbox.set_aside_sql import Kind
from receiver.intake.set_aside_endpoints import SetAsidePage, SetAsideQuery, list_set_aside, retry_set_aside


@tabular
def set_aside(
    *,
    account: AccountOption = None,
    kind: Annotated[Kind | None, typer.Option(help="Only hooks, or only tasks.")] = None,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
    retry: Annotated[bool, typer.Option("--retry", help="Retry everything now.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List hooks that could not be read and tasks that could not be folded, or retry them.

    They are stored, and retried automatically with growing pauses and at each start of `receiver serve`.
    """
    if retry:
        if account or kind or cursor:
            raise InputError("--retry", "retries everything: omit --account, --kind and --cursor")
        _retry(config, as_json=as_json)
        return
    query = query_of(SetAsideQuery, account=account, kind=kind, limit=limit, cursor=cursor)
    _print_page(ask(list_set_aside, query, {}, config), as_json=as_json)


def _retry(config: Path | None, *, as_json: bool) -> None:
    answer = ask(retry_set_aside, Params(), {}, config)
    if as_json:
        print_json(plain(answer))
    elif answer.hooks or answer.tasks:
        STDOUT.print(
            f"{_counted(answer.hooks, answer.tasks)} will be retried: by a running "
            "receiver within seconds, otherwise at its next start.",
            highlight=False,
        )
    else:
        STDOUT.print("Nothing is set aside.")


def _print_page(page: SetAsidePage, *, as_json: bool) -> None:
    answer = plain(page)
    if as_json:
        print_json(answer)
        return
    columns = (
        *(Column("id"), Column("kind", optional=True), Column("account"), Column("event", optional=True)),
        *(Column("since", optional=True), Column("failures", optional=True)),
        *(Column("next try"), Column("problem")),
    )
    rows = [
        row
        | {
            "since": short_moment(row["since"]),
            "next try": short_moment(row["retry_at"]) if row["retry_at"] else "now",
        }
        for row in answer["set_aside"]
    ]
    print_table("Set aside", columns, [[row[column.name] for column in columns] for row in rows])
    print_note(f"Total: {_counted(page.totals['hook'], page.totals['task'])}")
    print_cursor(page.next_cursor)


def _counted(hooks: int, tasks: int) -> str:
    return f"{hooks} hook{'s' * (hooks != 1)} and {tasks} task{'s' * (tasks != 1)}"
