"""Tasks by state and by problem, exact or at least, with bounded work: `GET /v1/tasks/counts`."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from sqlalchemy import Connection, case, func, select

from receiver.http.endpoint import Call
from receiver.http.schemas import State
from receiver.tasks import queries
from receiver.tasks.find_endpoint import record_search, wanted_by
from receiver.tasks.params import Problem, TaskFilters
from receiver.tasks.problems import PROBLEMS
from receiver.tasks.schemas import TaskNumber, TaskNumbers
from receiver.tasks.tables import TASK
from receiver.tasks.task_sources import Source, Wanted, all_tasks, count_keys, in_state, sources

STATES: tuple[State, ...] = get_args(State)

MOST_COUNTED, MOST_READ = 1_000, 400
"""Maximum number of tasks of an index that are counted: by the index alone, and if each task must be read."""

_PLACE = {"account", "queue_id"}
_BY_INDEX = {*_PLACE, "since", "until", "state", "problem"}


class _Counted(NamedTuple):
    """What was counted. `is_whole`: whether all tasks were looked at."""

    number: int
    is_whole: bool = True


async def count_tasks(call: Call[TaskFilters, None]) -> TaskNumbers:
    """Return the numbers of tasks. Raises ForbiddenError, and InputError for a bad number."""
    wanted = wanted_by(call, call.query)
    answer = await call.context.store.read(lambda connection: task_numbers(connection, wanted))
    await record_search(call, wanted, tasks=sum(each.number for each in answer.states.values()))
    return answer


def task_numbers(connection: Connection, wanted: Wanted) -> TaskNumbers:
    """Return the numbers of tasks of a search. Raises ForbiddenError, InputError."""
    given = {name for name in TaskFilters.model_fields if getattr(wanted.params, name) is not None}
    if given <= _BY_INDEX:
        states = _states(connection, wanted, given)
        problems: Mapping[str, _Counted] = {
            name: _of_problem(connection, wanted, name, given) for name in PROBLEMS
        }
    else:
        states, problems = _in_one_pass(connection, wanted)
    return TaskNumbers.model_validate(
        {"states": _views(states, STATES), "problems": _views(problems, PROBLEMS)}
    )


def _views(looks: Mapping[str, _Counted], names: Iterable[str]) -> dict[str, TaskNumber]:
    found = {name: looks.get(name, _Counted(0)) for name in names}
    return {name: TaskNumber(number=look.number, at_least=not look.is_whole) for name, look in found.items()}


def _states(connection: Connection, wanted: Wanted, given: set[str]) -> Mapping[str, _Counted]:
    """Return state → number, with all filters but the state."""
    any_state = _with(wanted, state=None)
    if given - {"state"} <= _PLACE:
        return _stored_states(connection, wanted.params)
    if wanted.params.problem is not None:
        return _by_state(connection, sources(connection, any_state))
    looks: dict[str, _Counted] = {state: _count(connection, [in_state(any_state, state)]) for state in STATES}
    return looks | {"finished": _count(connection, [all_tasks(_with(wanted, state="finished"))])}


def _stored_states(connection: Connection, params: TaskFilters) -> dict[str, _Counted]:
    """Return state → number, as each fold keeps it."""
    totals: Counter[str] = Counter()
    for _, _, state, number in connection.execute(queries.queue_states(params.account, params.queue_id)):
        totals[state] += number
    return {state: _Counted(number) for state, number in totals.items()}


def _of_problem(connection: Connection, wanted: Wanted, problem: Problem, given: set[str]) -> _Counted:
    if problem in ("overdue", "crm_untold") and given <= {"account", "problem"}:
        return _Counted(*count_keys(connection, wanted, problem))
    return _count(connection, sources(connection, _with(wanted, problem=problem)))


def _with(wanted: Wanted, **filters: Any) -> Wanted:
    return wanted._replace(params=wanted.params.model_copy(update=filters))


def _count(connection: Connection, found: Sequence[Source]) -> _Counted:
    """Return the number of tasks of sources that have no task in common."""
    hits, is_whole = 0, True
    for source in found:
        newest = _newest(source, case((source.filters, 1)).label("hit"))
        row = connection.execute(select(func.count(newest.c.hit), func.count()).select_from(newest)).one()
        hits += min(row[0], _most(source))
        is_whole = is_whole and row[1] <= _most(source)
    return _Counted(hits, is_whole)


def _by_state(connection: Connection, found: Sequence[Source]) -> dict[str, _Counted]:
    """Return state → number of tasks of sources that have no task in common."""
    totals: Counter[str] = Counter()
    is_whole = True
    for source in found:
        newest = _newest(source, TASK.c.state, case((source.filters, 1)).label("hit"))
        grouped = select(newest.c.state, func.count(newest.c.hit), func.count()).group_by(newest.c.state)
        rows = connection.execute(grouped).all()
        totals.update({state: min(hits, _most(source)) for state, hits, _ in rows})
        is_whole = is_whole and sum(number for *_, number in rows) <= _most(source)
    return {state: _Counted(totals[state], is_whole) for state in STATES}


def _most(source: Source) -> int:
    return MOST_COUNTED if source.is_lean else MOST_READ


def _newest(source: Source, *columns: Any) -> Any:
    """Return the newest tasks of a source with these columns as a subquery: one more than are counted."""
    newest = source.base.with_only_columns(*columns)
    return newest.order_by(*(column.desc() for column in source.order)).limit(_most(source) + 1).subquery()


def _in_one_pass(connection: Connection, wanted: Wanted) -> tuple[dict[str, _Counted], dict[str, _Counted]]:
    """Return state → number and problem → number of tasks for whose filters there is no index of states."""
    params = wanted.params
    flags = [case((wanted.rules.condition(name), 1)).label(name) for name in PROBLEMS]
    states: Counter[str] = Counter()
    problems: Counter[str] = Counter()
    seen: set[tuple[str, str]] = set()
    is_whole = True
    for source in sources(connection, _with(wanted, state=None, problem=None)):
        columns = TASK.c.account, TASK.c.key, TASK.c.state, *flags, case((source.filters, 1)).label("hit")
        rows = connection.execute(select(_newest(source, *columns))).all()
        is_whole = is_whole and len(rows) <= _most(source)
        for row in rows:
            if not row.hit or (row.account, row.key) in seen:
                continue
            seen.add((row.account, row.key))
            having = [name for name in PROBLEMS if getattr(row, name)]
            states[row.state] += params.problem is None or params.problem in having
            if params.state in (None, row.state):
                problems.update(having)
    return (
        {name: _Counted(states[name], is_whole) for name in STATES},
        {name: _Counted(problems[name], is_whole) for name in PROBLEMS},
    )
