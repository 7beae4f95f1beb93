"""The shape of a search: its filters without their values, so that a statement is built once for all values.

To build a statement takes longer than to run it. A statement of a shape has parameters in place of values.
"""

from typing import Any, NamedTuple

from sqlalchemy import Float, Text, bindparam
from sqlalchemy.types import TypeEngine

from receiver.http.schemas import State
from receiver.tasks.params import Problem, TaskFilters
from receiver.tasks.problems import ProblemRules, UntoldTasks
from receiver.tasks.task_sources import Wanted

_TYPES: dict[str, TypeEngine[Any]] = {
    **dict.fromkeys(("account", "queue_id"), Text()),
    **dict.fromkeys(("since", "until", "now"), Float()),
}


class SearchShape(NamedTuple):
    """`given`: names of the filters with values, without state and problem: their values choose the index."""

    given: frozenset[str]
    state: State | None
    problem: Problem | None
    untold: UntoldTasks

    def wanted(self) -> Wanted:
        """Return the search with parameters in place of values."""
        given: dict[str, Any] = {name: bindparam(name, type_=_TYPES[name]) for name in self.given}
        params = TaskFilters.model_construct(state=self.state, problem=self.problem, **given)
        now: Any = bindparam("now", type_=_TYPES["now"])
        return Wanted(params, (), ProblemRules(now, lambda: self.untold))


def shape_of(wanted: Wanted) -> SearchShape:
    """Return the shape of a search by account, queue, period, state and problem. Raises ConflictError without
    the service that knows the messages.
    """
    params = wanted.params
    given = frozenset(name for name in _TYPES if getattr(params, name, None) is not None)
    return SearchShape(given, params.state, params.problem, wanted.rules.untold())


def values_of(wanted: Wanted) -> dict[str, Any]:
    """Return the values of the parameters of a search's shape."""
    params = wanted.params
    return {name: getattr(params, name, None) for name in _TYPES} | {"now": wanted.rules.now}
