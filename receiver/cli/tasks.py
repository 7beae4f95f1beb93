"""`receiver tasks list` and `show`."""

from typing import Any, ClassVar

import typer

from receiver.cli.lazy import LazyCommand, LazyGroup
from receiver.cli.local_api import ask, plain, query_of
from receiver.cli.output import (
    AccountOption,
    ConfigOption,
    CursorOption,
    JsonOption,
    LimitOption,
    print_available,
    print_cursor,
    print_json,
    print_table,
    short_moment,
)
from receiver.cli.table_options import tabular, timed
from receiver.cli.tables import Column
from receiver.cli.task_filters import TaskFilterOptions, filtered, untold_tasks_service
from receiver.cli.times import PeriodOptions
from receiver.tasks.params import TaskQuery
from receiver.tasks.schemas import Task
from receiver.tasks.task_endpoints import list_tasks


class _TaskCommands(LazyGroup):
    lazy: ClassVar = {
        "add": LazyCommand(
            "receiver.cli.tasks_add",
            "add",
            "Create tasks from a CSV or JSON file, with minted hook URLs. Tasks that exist are skipped.",
        ),
        "show": LazyCommand(
            "receiver.cli.tasks_show",
            "show",
            "Tell the whole story of a task: what happened, what it waits for, and what subscribers got.",
        ),
        "cancel": LazyCommand(
            "receiver.cli.tasks_cancel",
            "cancel",
            "Delete a task at the scheduler, so that nobody is called again. Subscribers get `task.gone`.",
        ),
    }


tasks_app = typer.Typer(
    cls=_TaskCommands, no_args_is_help=True, help="Callback tasks: list, show, create, cancel."
)


@tasks_app.command("list")
@tabular
@filtered
@timed
def list_(
    *,
    account: AccountOption = None,
    filters: TaskFilterOptions,
    period: PeriodOptions,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List tasks, newest first."""
    given = {"account": account, **filters.parameters(), **period.parameters()}
    query = query_of(TaskQuery, **given, limit=limit, cursor=cursor)
    services = untold_tasks_service if as_json or filters.problem else None
    page = ask(list_tasks, query, {}, config, services=services)
    if as_json:
        print_json(plain(page))
        return
    print_table("Tasks", _COLUMNS, [_row(task) for task in page.tasks])
    print_available(plain(page))
    print_cursor(page.next_cursor)


_COLUMNS = (
    "account",
    "task",
    Column("id", optional=True),
    "state",
    "attempts",
    Column("by", optional=True),
    Column("lost", optional=True),
    Column("queue", optional=True),
    "heard",
)


def _row(task: Task) -> list[Any]:
    most = f"/{task.try_count}" if task.try_count else ""
    attempts = f"{'' if task.attempts_exact else '≥'}{task.attempts}{most}"
    state = task.finish_result or "unknown" if task.state == "finished" else task.state
    source = {"events": "hooks", "reconciled": "API"}[task.confidence]
    return [
        task.account,
        task.key,
        task.task_id,
        state,
        attempts,
        source,
        task.lost_hooks,
        task.queue_name or task.queue_id,
        short_moment(task.last_at),
    ]
