"""Problems of tasks as conditions: those by which `GET /v1/tasks` filters and counts."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

from sqlalchemy import Connection, Select, and_, case, or_, select

from receiver.http.endpoint import ApiContext
from receiver.http.paging import Where
from receiver.storage.bulk import among
from receiver.tasks.params import Problem
from receiver.tasks.queries import of_any_account
from receiver.tasks.tables import TASK, is_above_zero

PROBLEMS: tuple[Problem, ...] = get_args(Problem)
_OF_TASKS = tuple(problem for problem in PROBLEMS if problem != "crm_untold")
"""Problems that are known without the messages to subscribers."""

LATE_S = 60.0
"""Seconds after the planned start, or after the pause, from which a call is overdue."""

LATE_END_S = 3_600.0
"""Seconds after the last fact of an attempt from which the end of the task is overdue."""

CALLED = {"delayed": 1, "executed": 2}
"""State → number of attempts from which a task is retried."""

_UNDER_WAY = ("executed", "connected")


@dataclass(frozen=True, slots=True)
class UntoldTasks:
    """A service: the tasks of which a subscriber did not get an outcome. `keys`: makes the query for their
    account and key, which may repeat a task; takes the time, epoch seconds, or a parameter for it.
    """

    keys: Callable[[float], Select[Any]]


@dataclass(frozen=True, slots=True)
class ProblemRules:
    """What the conditions depend on. `now`: epoch seconds, or a parameter of a statement. `untold`: returns
    the service, or raises ConflictError. `listed`: problems that a list names: all, or those that need no
    service.
    """

    now: float
    untold: Callable[[], UntoldTasks]
    listed: Sequence[Problem] = PROBLEMS

    def condition(self, problem: Problem) -> Where:
        """Return the condition for a row of `task`."""
        match problem:
            case "retrying":
                return or_(
                    *(and_(TASK.c.state == state, TASK.c.attempts >= n) for state, n in CALLED.items())
                )
            case "overdue":
                return self._is_overdue()
            case "lost_hooks":
                return is_above_zero(TASK.c.hooks_lost)
            case "api_disagrees":
                return is_above_zero(TASK.c.drifts)
            case "crm_untold":
                untold = self.untold_keys()
                account, key = untold.selected_columns
                return untold.where(account == TASK.c.account, key == TASK.c.key).exists()

    def untold_keys(self) -> Select[Any]:
        """Return the query of `UntoldTasks`."""
        return self.untold().keys(self.now)

    def overdue_keys(self) -> list[Select[Any]]:
        """Return queries for account and key of the overdue tasks, each by an index of due tasks."""
        by_index = (
            (of_any_account(TASK), TASK.c.ask_at < self.now - LATE_S, TASK.c.ask_at <= TASK.c.due_at),
            (TASK.c.due_at < self.now - LATE_S, TASK.c.ask_at > TASK.c.due_at),
        )
        keys = select(TASK.c.account, TASK.c.key)
        return [keys.where(self._is_overdue(), *wheres) for wheres in by_index]

    def _is_overdue(self) -> Where:
        late_s = case((TASK.c.state.in_(_UNDER_WAY), LATE_END_S), else_=LATE_S)
        # The tasks whose next step is a call or its end; `due_at` is the time of that step.
        return and_(TASK.c.due_for.in_(("find", "progress")), TASK.c.due_at + late_s < self.now)


def problem_rules(context: ApiContext) -> ProblemRules:
    """Return the rules of now."""
    listed = PROBLEMS if UntoldTasks in context.services else _OF_TASKS
    return ProblemRules(context.clock.now(), partial(context.service, UntoldTasks), listed)


def problems_of(
    connection: Connection, rules: ProblemRules, keys: Collection[tuple[str, str]]
) -> dict[tuple[str, str], list[Problem]]:
    """Return account and key → problems, of these tasks."""
    flags = [case((rules.condition(problem), 1)).label(problem) for problem in rules.listed]
    query = select(TASK.c.account, TASK.c.key, *flags).where(
        TASK.c.account.in_({account for account, _ in keys}),
        among(connection, TASK.c.key, [key for _, key in keys]),
    )
    rows = connection.execute(query) if keys else ()
    return {
        (row.account, row.key): [problem for problem in rules.listed if getattr(row, problem)] for row in rows
    }
