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
    NumbersOption,
    QueueOption,
    print_cursor,
    print_json,
    print_table,
    short_moment,
)
from receiver.cli.table_options import tabular, timed, zoned
from receiver.cli.tables import Column
from receiver.cli.times import PeriodOptions
from receiver.http.schemas import State
from receiver.tasks.params import AsOfQuery, TaskQuery
from receiver.tasks.schemas import Task
from receiver.tasks.task_endpoints import get_timeline, list_tasks


class _TaskCommands(LazyGroup):
    lazy: ClassVar = {
        "add": LazyCommand(
            "receiver.cli.tasks_add",
            "add",
            "Create tasks from a CSV or JSON file, with minted hook URLs. Tasks that exist are skipped.",
        )
    }


tasks_app = typer.Typer(cls=_TaskCommands, no_args_is_help=True, help="Callback tasks: list, show, create.")


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
    lost: Annotated[
        bool | None, typer.Option("--lost/--complete", help="Only tasks with, or without, lost hooks.")
    ] = None,
    period: PeriodOptions,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List tasks, newest first."""
    given = {"account": account, "queue_id": queue, "state": state, "finish_result": result, "lost": lost}
    query = query_of(TaskQuery, **given, **period.parameters(), limit=limit, cursor=cursor)
    page = ask(list_tasks, query, {}, config)
    if as_json:
        print_json(plain(page))
        return
    print_table("Tasks", _COLUMNS, [_row(task) for task in page.tasks])
    print_cursor(page.next_cursor)


_COLUMNS = (
    "account",
    "task",
    Column("id", optional=True),
    "state",
    "attempts",
    Column("by", optional=True),
    Column("lost", optional=True),
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
        short_moment(task.last_at),
    ]


@tasks_app.command("show")
@zoned
def show(
    account: Annotated[str, typer.Argument(help="Name of the account.")],
    task: Annotated[str, typer.Argument(help="The task: your ref, or the vendor's id.")],
    *,
    as_of: Annotated[str | None, typer.Option(help="Show the task as it was known at this moment.")] = None,
    numbers: NumbersOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one task with its timeline: every fact, when it was received, and from where."""
    query = query_of(AsOfQuery, as_of=as_of)
    timeline = plain(ask(get_timeline, query, {"account": account, "key": task}, config, numbers=numbers))
    if as_json:
        print_json(timeline)
        return
    fields = {name: value for name, value in timeline["task"].items() if name != "hooks"}
    print_table(f"Task {account}/{task}", ("field", "value"), fields.items())
    hooks = timeline["task"]["hooks"].items()
    counts = ("expected", "arrived", "duplicates", "lost")
    print_table(
        "Hooks", ("event", *counts), [[event, *(count[name] for name in counts)] for event, count in hooks]
    )
    facts = [
        (
            short_moment(fact["at"]),
            fact["source"],
            fact["event"] or fact["kind"],
            _brief(fact["said"]),
            ", ".join(fact["flags"]),
        )
        for fact in timeline["facts"]
    ]
    print_table("Timeline", ("at", "source", "event", "content", "flags"), facts)
    if timeline["findings"]:
        found = [[f["category"], f["kind"], f["count"], f["detail"]] for f in timeline["findings"]]
        print_table("Findings", ("category", "kind", "count", "detail"), found)


def _brief(said: dict[str, Any]) -> str:
    shown = ("status", "result", "finish_result", "cdr", "call", "finish_comment", "hangup_cause")
    return ", ".join(f"{name} {said[name]}" for name in shown if said.get(name))
