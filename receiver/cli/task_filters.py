"""Options of commands that look for tasks: filters of `GET /v1/tasks`."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import typer

from receiver.cli.output import QueueOption
from receiver.cli.table_options import Command, with_options
from receiver.domain.reasons import CallResult
from receiver.http.schemas import State
from receiver.settings.settings import Settings
from receiver.tasks.params import Problem
from receiver.tasks.problems import UntoldTasks

_PROBLEM = (
    "Only tasks that are being retried, are overdue, lost hooks, differ between hooks and API, or of which a "
    "subscriber did not get an outcome."
)

_OPTIONS = {
    "queue": QueueOption,
    "state": Annotated[State | None, typer.Option(help="Only tasks in this state.")],
    "result": Annotated[
        Literal["success", "failed", "unknown"] | None, typer.Option(help="Only tasks with this result.")
    ],
    "phone": Annotated[
        str | None,
        typer.Option(help="Only tasks with this phone number, in any spelling, or its last four digits."),
    ],
    "reason": Annotated[CallResult | None, typer.Option(help="Only tasks that ended so.")],
    "name": Annotated[str | None, typer.Option(help="Only tasks whose name contains this.")],
    "text": Annotated[str | None, typer.Option(help="Only tasks whose name, comment or ref contains this.")],
    "lost": Annotated[
        bool | None, typer.Option("--lost/--complete", help="Only tasks with, or without, lost hooks.")
    ],
    "problem": Annotated[Problem | None, typer.Option(help=_PROBLEM)],
}


@dataclass(frozen=True, slots=True)
class TaskFilterOptions:
    """The options of filters, as typed."""

    queue: str | None = None
    state: State | None = None
    result: str | None = None
    phone: str | None = None
    reason: CallResult | None = None
    name: str | None = None
    text: str | None = None
    lost: bool | None = None
    problem: Problem | None = None

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of `TaskFilters`."""
        return {
            "queue_id": self.queue,
            "state": self.state,
            "finish_result": self.result,
            "phone": self.phone and self.phone.strip(),
            "reason": self.reason,
            "name": self.name,
            "text": self.text,
            "lost": self.lost,
            "problem": self.problem,
        }


def filtered(command: Command) -> Command:
    """Add the filters of tasks: the parameter `filters` of the command, which is a `TaskFilterOptions`."""
    return with_options(
        command, _OPTIONS, lambda given: {"filters": TaskFilterOptions(**given)}, replaced="filters"
    )


def untold_tasks_service(_settings: Settings) -> dict[type, object]:
    """Return the service that problems of tasks need."""
    from receiver.outcomes.task_messages import untold_tasks  # noqa: PLC0415 -- slow to import

    return {UntoldTasks: UntoldTasks(untold_tasks)}
