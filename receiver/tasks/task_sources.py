"""Where a search of tasks looks: indexes by which the tasks of its filters are found."""

from collections.abc import Container, Sequence
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import Connection, Row, Select, and_, func, literal, select, true, union_all

from receiver.errors import ErrorKind, ForbiddenError, InputError
from receiver.http.paging import Order, Where, between, equal
from receiver.tasks import queries
from receiver.tasks.params import Problem, TaskFilters
from receiver.tasks.phone_ranges import DigitRange
from receiver.tasks.problems import CALLED, ProblemRules
from receiver.tasks.tables import TASK, TASK_NUMBER, has_not_finished

NUMBERS_ORDER: Order = (TASK_NUMBER.c.at, TASK_NUMBER.c.account, TASK_NUMBER.c.key)

MOST_ENDINGS = 10_000
"""Maximum number of tasks with numbers that end in some digits, since a page sorts them all."""

MOST_SCANNED, MOST_WALKED = 50_000, 10_000
"""Maximum number of tasks that a page looks at, without and with a problem or a search word. Then it ends
early, with the cursor of the next page.
"""

MOST_KEYS = 1_000
"""Maximum number of tasks with a problem that a page sorts. If there are more, they are found by a walk."""

_SCANS = {"reason", "name", "text"}
"""Filters of all tasks for which there is no index."""

_IN_INDEX = {"account", "since", "until"}
"""Filters that need no look at the tasks: their columns are in each index by time."""

_INDEXED = {"phone", *_IN_INDEX}
"""Filters that the index of numbers answers."""

_FEW = {"ref", "task_id"}
"""Filters that few tasks pass, found by an index."""

_BY_INDEX = {"account", "queue_id", "state"}

KeyProblem = Literal["overdue", "crm_untold"]
"""Problems that no index by time has; the tasks are found by their keys."""

KEY_PROBLEMS: tuple[KeyProblem, ...] = get_args(KeyProblem)

_OPEN = ("new", "scheduled", "executed", "delayed", "connected")


class Wanted(NamedTuple):
    """What a search looks for. `ranges`: phone numbers, of `phone` or `q`. `needs_numbers`: whether `q` may
    be a phone number, and the caller may not look for one.
    """

    params: TaskFilters
    ranges: Sequence[DigitRange]
    rules: ProblemRules
    needs_numbers: bool = False


class Source(NamedTuple):
    """Tasks by an index. `base`: selects them without other filters; `filters`: the other ones; `positions`:
    of the base, without a look at the tasks. `most`: maximum number of positions that a page looks at, since
    few of them may pass the filters; None: no limit. `is_lean`: whether the filters cost little.
    """

    base: Select[Any]
    filters: Where
    positions: Select[Any]
    order: Order = queries.TASKS_ORDER
    most: int | None = None
    is_lean: bool = False

    @property
    def tasks(self) -> Select[Any]:
        """Return the query for the tasks that pass the filters."""
        return self.base.where(self.filters)


def sources(connection: Connection, wanted: Wanted) -> list[Source]:
    """Return the sources that together have all tasks. Raises InputError."""
    if wanted.params.q is not None:
        return _of_word(connection, wanted)
    if wanted.ranges:
        _require_few(connection, wanted.ranges, "phone")
        return [tasks_of(digits, wanted) for digits in wanted.ranges]
    problem, state = wanted.params.problem, wanted.params.state
    if _given(wanted.params) & _FEW:
        return [all_tasks(wanted)]
    if problem is not None:
        row = connection.execute(key_count(wanted, problem)).one() if problem in KEY_PROBLEMS else None
        return with_problem(wanted, problem, row is not None and read_key_count(row)[1])
    return [all_tasks(wanted) if state in (None, "finished") else in_state(wanted, state)]


def all_tasks(wanted: Wanted) -> Source:
    """Return all tasks of the period, or of a queue in the period, as a source."""
    params, given, filters = wanted.params, _given(wanted.params), _filters(wanted, ())
    if given & _FEW:
        return _by_time(select(TASK).where(filters), true())
    base = _in_period(params)
    if {"account", "queue_id"} <= given:
        base = base.where(*equal(TASK, params, ("account", "queue_id")))
    most = MOST_WALKED if "problem" in given else MOST_SCANNED if given & _SCANS else None
    # Tasks of a state are as good as in an index: nearly all have finished, and stand side by side.
    return _by_time(base, filters, most, given <= {*_IN_INDEX, "state"})


def tasks_of(digits: DigitRange, wanted: Wanted) -> Source:
    """Return the tasks with these numbers as a source. A task has a row for each leg that fits."""
    params, given = wanted.params, _given(wanted.params)
    wheres = [
        _in_range(digits),
        *equal(TASK_NUMBER, params, ("account",)),
        *between(TASK_NUMBER.c.at, params.since, params.until),
    ]
    same = and_(TASK.c.account == TASK_NUMBER.c.account, TASK.c.key == TASK_NUMBER.c.key)
    return Source(
        select(TASK).join(TASK_NUMBER, same).where(*wheres),
        _filters(wanted, _BY_INDEX),
        select(*NUMBERS_ORDER).where(*wheres),
        NUMBERS_ORDER,
        MOST_SCANNED if given - _INDEXED else None,
    )


def in_state(wanted: Wanted, state: str, *wheres: Where) -> Source:
    """Return the tasks of a state other than `finished` as a source. `wheres`: filters by which they have the
    problem.
    """
    base = _in_period(wanted.params).where(TASK.c.state == state, has_not_finished(TASK.c.state))
    others = _without(wanted, "state", *(["problem"] if wheres else []))
    most = None if wanted.params.problem is None else MOST_WALKED
    is_lean = _given(others.params) <= _IN_INDEX
    return _by_time(base, and_(_filters(others, _BY_INDEX), *wheres), most, is_lean)


def _of_word(connection: Connection, wanted: Wanted) -> list[Source]:
    """Return the sources of a search word: tasks with this ref, id or number, or else with this text. Raises
    ForbiddenError and InputError.
    """
    word, params = wanted.params.q, wanted.params.model_copy(update={"q": None})
    found = []
    for name in ("ref", "task_id"):
        named = TaskFilters.model_validate({name: word, "account": params.account})
        if _has_rows(connection, queries.tasks(named)):
            found.append(all_tasks(Wanted(params.model_copy(update={name: word}), (), wanted.rules)))
    if wanted.ranges and not found:
        _require_few(connection, wanted.ranges, "q")
    found += [
        source
        for source in (tasks_of(digits, wanted._replace(params=params)) for digits in wanted.ranges)
        if _has_rows(connection, source.positions)
    ]
    if found:
        return found
    if wanted.needs_numbers:
        raise ForbiddenError(
            "q: no task has this ref or id; to look for phone numbers, use a token with the scope 'numbers'",
            ErrorKind("no_numbers"),
        )
    text = Wanted(params.model_copy(update={"text": word}), (), wanted.rules)
    return [source._replace(most=MOST_WALKED) for source in sources(connection, text)]


def _has_rows(connection: Connection, query: Select[Any]) -> bool:
    return connection.execute(query.limit(1)).first() is not None


def with_problem(wanted: Wanted, problem: Problem, are_few: bool) -> list[Source]:
    """Return the sources of a problem, each by an index of the few tasks that may have it. `are_few`: whether
    the tasks of a problem that is found by keys can be sorted.
    """
    match problem:
        case "retrying":
            return [
                in_state(wanted, state, TASK.c.attempts >= CALLED[state]) for state in _states(wanted, CALLED)
            ]
        case "overdue":
            if are_few:
                return [_by_keys(wanted, problem)]
            return [in_state(wanted, state) for state in _states(wanted, _OPEN)]
        case "crm_untold":
            return [_by_keys(wanted, problem) if are_few else all_tasks(wanted)]
        case _:
            base = _in_period(wanted.params).where(wanted.rules.condition(problem))
            others = _without(wanted, "problem")
            is_lean = _given(others.params) <= _IN_INDEX
            return [_by_time(base, _filters(others, _BY_INDEX), None if is_lean else MOST_WALKED, is_lean)]


def key_count(wanted: Wanted, problem: KeyProblem) -> Select[int, Any]:
    """Select the numbers of tasks and of keys of an account, or of all, with a problem."""
    found = _keys(wanted, problem).subquery()
    by_task = select(func.count().label("times")).select_from(found).group_by(*found.c).subquery()
    return select(func.count(), func.sum(by_task.c.times))


def read_key_count(row: Row[int, Any]) -> tuple[int, bool]:
    """Return the number of tasks with a problem, and whether these are all. `row`: of `key_count`."""
    number, keys = row
    return min(number, MOST_KEYS), (keys or 0) <= MOST_KEYS


def _keys(wanted: Wanted, problem: KeyProblem) -> Select[Any]:
    """Select account and key of the first tasks with a problem, one more than a page sorts. A task may be
    repeated.
    """
    account = wanted.params.account
    if problem == "overdue":
        found = union_all(*wanted.rules.overdue_keys()).subquery()
        keys = select(found.c.account, found.c.key)
    else:
        keys = wanted.rules.untold_keys()
    if account is not None:
        # As an expression, since the condition would choose an index of all messages of the account.
        keys = keys.where(func.coalesce(keys.selected_columns.account, "") == account)
    return keys.limit(MOST_KEYS + 1)


def _by_keys(wanted: Wanted, problem: KeyProblem) -> Source:
    """Return the tasks with a problem as a source that a page sorts."""
    repeated = _keys(wanted, problem).subquery()
    found = select(repeated.c.account, repeated.c.key).distinct().subquery()
    same = and_(TASK.c.account == found.c.account, TASK.c.key == found.c.key)
    base = _in_period(wanted.params).join(found, same)
    return _by_time(base, _filters(_without(wanted, "problem"), _BY_INDEX), is_lean=True)


def _states(wanted: Wanted, states: Container[str]) -> list[str]:
    """Return these states, without those that the filter leaves out."""
    asked = wanted.params.state
    return [state for state in _OPEN if state in states and asked in (None, state)]


def _by_time(base: Select[Any], filters: Where, most: int | None = None, is_lean: bool = False) -> Source:
    positions = base.with_only_columns(*queries.TASKS_ORDER)
    return Source(base, filters, positions, most=most, is_lean=is_lean)


def _in_period(params: TaskFilters) -> Select[Any]:
    return select(TASK).where(*between(TASK.c.first_at, params.since, params.until))


def _filters(wanted: Wanted, unindexed: Container[str]) -> Where:
    """Return the condition of all filters but numbers. `unindexed`: see `queries.tasks`."""
    params, problem = wanted.params, wanted.params.problem
    by_columns = queries.tasks(params, unindexed=unindexed).whereclause
    conditions = [] if by_columns is None else [by_columns]
    conditions += [] if problem is None else [wanted.rules.condition(problem)]
    return and_(true(), *conditions)


def _without(wanted: Wanted, *names: str) -> Wanted:
    """Return the search without these filters."""
    return wanted._replace(params=wanted.params.model_copy(update=dict.fromkeys(names)))


def _given(params: TaskFilters) -> set[str]:
    return {name for name, value in params if value is not None and name in TaskFilters.model_fields}


def _require_few(connection: Connection, ranges: Sequence[DigitRange], field: str) -> None:
    """Raise InputError if too many tasks have numbers that end in the digits."""
    for digits in ranges:
        if digits.is_one:
            continue
        some = select(literal(1)).select_from(TASK_NUMBER).where(_in_range(digits)).limit(MOST_ENDINGS + 1)
        if (connection.scalar(select(func.count()).select_from(some.subquery())) or 0) > MOST_ENDINGS:
            raise InputError(
                field,
                f"more than {MOST_ENDINGS:,} tasks have numbers that end so: write more digits",
                ErrorKind("phone_many", {"most": MOST_ENDINGS}),
            )


def _in_range(digits: DigitRange) -> Where:
    """Return the condition for the rows of these numbers."""
    if digits.is_one:
        return TASK_NUMBER.c.digits == digits.low
    return and_(TASK_NUMBER.c.digits >= digits.low, TASK_NUMBER.c.digits <= digits.high)
