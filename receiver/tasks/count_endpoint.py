"""Tasks by state and by problem, exact or at least, with bounded work: `GET /v1/tasks/counts`."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, get_args

from sqlalchemy import CompoundSelect, Connection, Row, Select, case, func, literal, select, union_all

from receiver.http.endpoint import Call
from receiver.http.schemas import State
from receiver.tasks import queries
from receiver.tasks.find_endpoint import record_search, wanted_by
from receiver.tasks.params import TaskFilters
from receiver.tasks.problems import PROBLEMS
from receiver.tasks.schemas import TaskNumber, TaskNumbers
from receiver.tasks.search_shape import SearchShape, shape_of, values_of
from receiver.tasks.tables import TASK
from receiver.tasks.task_sources import (
    KEY_PROBLEMS,
    KeyProblem,
    Source,
    Wanted,
    all_tasks,
    in_state,
    key_count,
    read_key_count,
    sources,
    with_problem,
)

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
    count = _by_indexes if given <= _BY_INDEX else _in_one_pass
    counts = count(connection, wanted)
    return TaskNumbers.model_validate(
        {"states": _views(counts, STATES), "problems": _views(counts, PROBLEMS)}
    )


def _views(counts: Mapping[str, _Counted], names: Iterable[str]) -> dict[str, TaskNumber]:
    found = {name: counts.get(name, _Counted(0)) for name in names}
    return {
        name: TaskNumber(number=count.number, at_least=not count.is_whole) for name, count in found.items()
    }


def _with(wanted: Wanted, **filters: Any) -> Wanted:
    return wanted._replace(params=wanted.params.model_copy(update=filters))


def _by_indexes(connection: Connection, wanted: Wanted) -> dict[str, _Counted]:
    shape, values = shape_of(wanted), values_of(wanted)
    keys: dict[str, _Counted] = {}
    for problem in KEY_PROBLEMS:
        row = connection.execute(_key_count(shape, problem), values).one()
        keys[problem] = _Counted(*read_key_count(row))
    few = frozenset(problem for problem, found in keys.items() if found.is_whole)
    looks = _looks(shape, few)
    counts = _read_looks(looks.names, connection.execute(looks.query, values).all())
    if shape.problem is None and shape.given <= _PLACE:
        counts |= _stored_states(connection, wanted.params)
    return counts | keys if _are_keys_enough(shape) else counts


def _stored_states(connection: Connection, params: TaskFilters) -> dict[str, _Counted]:
    """Return state → number, as each fold keeps it."""
    totals: Counter[str] = Counter()
    for _, _, state, number in connection.execute(queries.queue_states(params.account, params.queue_id)):
        totals[state] += number
    return {state: _Counted(number) for state, number in totals.items()}


@lru_cache
def _key_count(shape: SearchShape, problem: KeyProblem) -> Select[int, Any]:
    return key_count(shape.wanted(), problem)


class _Looks(NamedTuple):
    """The query for what was found in each source: its number, a state or problem, the tasks that pass the
    filters, those that were looked at, and the maximum number of them. `names`: state or problem of each
    source; None: its tasks are counted by their states.
    """

    names: Sequence[str | None]
    query: CompoundSelect[Any]


@lru_cache
def _looks(shape: SearchShape, few: frozenset[str]) -> _Looks:
    """Return what is looked at. `few`: problems whose tasks can be sorted."""
    found = list(_sources(shape, few))
    looks = (_look(number, name, source) for number, (name, source) in enumerate(found))
    return _Looks([name for name, _ in found], union_all(*looks))


def _sources(shape: SearchShape, few: Container[str]) -> Iterator[tuple[str | None, Source]]:
    """Yield states and problems with the sources of their tasks, which have no task in common."""
    wanted, asked = shape.wanted(), shape.problem
    any_state = _with(wanted, state=None)
    if asked is not None:
        yield from ((None, source) for source in with_problem(any_state, asked, asked in few))
    elif not shape.given <= _PLACE:
        yield "finished", all_tasks(_with(wanted, state="finished"))
        yield from ((state, in_state(any_state, state)) for state in STATES if state != "finished")
    for problem in PROBLEMS:
        if not (problem in KEY_PROBLEMS and _are_keys_enough(shape)):
            found = with_problem(_with(wanted, problem=problem), problem, problem in few)
            yield from ((problem, source) for source in found)


def _are_keys_enough(shape: SearchShape) -> bool:
    """Return whether all keys of a problem that is found by keys are those of the search."""
    return shape.state is None and shape.given <= {"account"}


def _look(number: int, name: str | None, source: Source) -> Select[Any]:
    by_state = (TASK.c.state,) if name is None else ()
    newest = _newest(source, *by_state, case((source.filters, 1)).label("hit"))
    told = newest.c.state if name is None else literal(name)
    columns = (literal(number), told, func.count(newest.c.hit), func.count(), literal(_most(source)))
    names = ("source", "name", "hits", "looked", "most")
    look = select(*(column.label(label) for column, label in zip(columns, names, strict=True)))
    return look.select_from(newest).group_by(*(newest.c[column.name] for column in by_state))


def _read_looks(names: Sequence[str | None], rows: Sequence[Row[Any]]) -> dict[str, _Counted]:
    """Return state or problem → number. `rows`: of the query of `_Looks`."""
    counts: dict[str, _Counted] = {}
    for number, name in enumerate(names):
        found = [row for row in rows if row.source == number]
        is_whole = sum(row.looked for row in found) <= max((row.most for row in found), default=0)
        for each in STATES if name is None else [name]:
            hits = sum(min(row.hits, row.most) for row in found if row.name == each)
            before = counts.get(each, _Counted(0))
            counts[each] = _Counted(before.number + hits, before.is_whole and is_whole)
    return counts


def _most(source: Source) -> int:
    return MOST_COUNTED if source.is_lean else MOST_READ


def _newest(source: Source, *columns: Any) -> Any:
    """Return the newest tasks of a source with these columns as a subquery: one more than are counted."""
    newest = source.base.with_only_columns(*columns)
    return newest.order_by(*(column.desc() for column in source.order)).limit(_most(source) + 1).subquery()


def _in_one_pass(connection: Connection, wanted: Wanted) -> dict[str, _Counted]:
    """Return state or problem → number of tasks for whose filters there is no index of states."""
    params = wanted.params
    flags = [case((wanted.rules.condition(name), 1)).label(name) for name in PROBLEMS]
    totals: Counter[str] = Counter()
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
            totals[row.state] += params.problem is None or params.problem in having
            if params.state in (None, row.state):
                totals.update(having)
    return {name: _Counted(totals[name], is_whole) for name in (*STATES, *PROBLEMS)}
