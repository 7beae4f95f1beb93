"""`receiver tasks list` and `show`."""

from typing import Annotated, Any, ClassVar, Literal

import typer

from receiver.cli.lazy import LazyCommand, LazyGroup
from receiver.cli.local_api import ask, plain, query_of
from receiver.cli.output import (
    AccountOption,
    ConfigOption,
    CursorOption,
    JsonOption,
    LimitOption,
    QueueOption,
    print_available,
    print_cursor,
    print_json,
    print_table,
    short_moment,
)
from receiver.cli.table_options import tabular, timed
from receiver.cli.tables import Column
from receiver.cli.times import PeriodOptions
from receiver.domain.reasons import CallResult
from receiver.http.schemas import State
from receiver.settings.settings import Settings
from receiver.tasks.params import Problem, TaskQuery
from receiver.tasks.problems import UntoldTasks
from receiver.tasks.schemas import Task
from receiver.tasks.task_endpoints import list_tasks

_PROBLEM = (
    "Only tasks that are being retried, are overdue, lost hooks, differ between hooks and API, or of which a "
    "subscriber did not get an outcome."
)


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
@timed
def list_(
    *,
    account: AccountOption = None,
    queue: QueueOption = None,
    state: Annotated[State | None, typer.Option(help="Only tasks in this state.")] = None,
    result: Annotated[
        Literal["success", "failed", "unknown"] | None, typer.Option(help="Only tasks with this result.")
    ] = None,
    phone: Annotated[
        str | None,
        typer.Option(help="Only tasks with this phone number, in any spelling, or its last four digits."),
    ] = None,
    reason: Annotated[CallResult | None, typer.Option(help="Only tasks that ended so.")] = None,
    name: Annotated[str | None, typer.Option(help="Only tasks whose name contains this.")] = None,
    text: Annotated[
        str | None, typer.Option(help="Only tasks whose name, comment or ref contains this.")
    ] = None,
    lost: Annotated[
        bool | None, typer.Option("--lost/--complete", help="Only tasks with, or without, lost hooks.")
    ] = None,
    problem: Annotated[Problem | None, typer.Option(help=_PROBLEM)] = None,
    period: PeriodOptions,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List tasks, newest first."""
    given = {"account": account, "queue_id": queue, "state": state, "finish_result": result, "lost": lost}
    given |= {
        "phone": phone and phone.strip(),
        "reason": reason,
        "name": name,
        "text": text,
        "problem": problem,
    }
    query = query_of(TaskQuery, **given, **period.parameters(), limit=limit, cursor=cursor)
    page = ask(list_tasks, query, {}, config, services=_services if as_json or problem else None)
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


def _services(_settings: Settings) -> dict[type, object]:
    from receiver.outcomes.task_messages import untold_tasks  # noqa: PLC0415 -- slow to import

    return {UntoldTasks: UntoldTasks(untold_tasks)}


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
