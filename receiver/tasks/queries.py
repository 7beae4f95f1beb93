"""Queries of the API. `receiver.http.paging` adds order and page."""

from collections.abc import Collection, Container, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    and_,
    case,
    column,
    exists,
    func,
    literal,
    or_,
    select,
)

from receiver.domain.facts import EVENTS
from receiver.http.paging import Order, Where, between, equal
from receiver.http.params import AccountQuery
from receiver.ledger.tables import DELIVERY, FACT
from receiver.storage.bulk import among, run
from receiver.tasks.params import FindingQuery, TaskFilters
from receiver.tasks.tables import FINDING, QUEUE, SWEEP, TASK, TASK_COUNT, has_not_finished

TASKS_ORDER: Order = (TASK.c.first_at, TASK.c.account, TASK.c.key)
FINDINGS_ORDER: Order = (FINDING.c.at, FINDING.c.account, FINDING.c.key, FINDING.c.kind)

_ENDED = ("connected", "finished", "gone")


def tasks(params: TaskFilters, *, unindexed: Container[str] = ()) -> Select[Any]:
    """Select tasks by all filters but `phone`, `problem` and `q`. `unindexed`: filters that must not choose
    the index, because another condition does.
    """
    unindexed = unindexed or _outside_indexes(params)
    wheres = [*between(TASK.c.first_at, params.since, params.until)]
    for name in ("account", "queue_id", "state", "confidence", "settled", "task_id", "reason"):
        if (value := getattr(params, name)) is not None:
            by = func.coalesce(TASK.c[name], "") if name in unindexed else TASK.c[name]
            wheres.append(by == value)
    if params.state not in (None, "finished") and "state" not in unindexed:
        wheres.append(has_not_finished(TASK.c.state))
    if params.ref is not None:  # a task with a ref has it as its key, which is in an index
        wheres += [TASK.c.key == params.ref, TASK.c.ref == params.ref]
    if params.account is None and (params.ref is not None or params.task_id is not None):
        wheres.append(of_any_account(TASK))
    if params.finish_result:
        wheres.append(_result() == params.finish_result)
    if params.lost is not None:
        lost = exists().where(
            FINDING.c.account == TASK.c.account,
            FINDING.c.key == TASK.c.key,
            FINDING.c.category == "lost_hook",
        )
        wheres.append(lost if params.lost else ~lost)
    if params.name is not None:
        wheres.append(_contains(params.name, TASK.c.name))
    if params.text is not None:
        wheres.append(_contains(params.text, TASK.c.name, TASK.c.finish_comment, TASK.c.ref))
    return select(TASK).where(*wheres)


def _outside_indexes(params: TaskFilters) -> Container[str]:
    """Return the filters that must not choose the index: SQLite would prefer it to the order of the list."""
    if params.ref is not None or params.task_id is not None:
        return ()
    if params.state not in (None, "finished"):
        return ("account", "queue_id")
    return () if params.queue_id is not None else ("account",)


def _contains(text: str, *columns: ColumnElement[str | None]) -> Where:
    """Return the condition that a column contains the text, in any case.

    Databases may know the case of ASCII letters only, so that other letters need each spelling.
    """
    spellings = {text, text.lower(), text.upper(), text.capitalize(), text.title()}
    return or_(*(column.icontains(each, autoescape=True) for column in columns for each in sorted(spellings)))


def task(account: str, key: str) -> Select[Any]:
    return select(TASK).where(TASK.c.account == account, TASK.c.key == key)


def tasks_named(connection: Connection, account: str, keys: Collection[str]) -> Select[Any]:
    return select(TASK).where(TASK.c.account == account, among(connection, TASK.c.key, keys))


_NUMBERS = """
SELECT leg, e164, digits, (
    SELECT count(*) FROM (
        SELECT 1 FROM task_number AS same WHERE same.digits = own.digits AND same.at <= ? LIMIT ?
    ) AS counted
) AS rows
FROM task_number AS own WHERE account = ? AND key = ? AND e164 IS NOT NULL ORDER BY leg
"""


def numbers_of(connection: Connection, task: tuple[str, str], until: float, limit: int) -> Sequence[Row[Any]]:
    """Return the international numbers of a task: leg, e164, digits, and the number of rows of tasks with
    this number that began until a moment, at most `limit`. `task`: account and key.
    """
    found: Sequence[Row[Any]] = run(connection, _NUMBERS, until, limit, *task).all()
    return found


def tasks_of_number(connection: Connection, digits: str, until: float) -> list[tuple[str, str]]:
    """Return account and key of the tasks with a number, newest first. `digits`: as in `task_number`."""
    query = "SELECT account, key FROM task_number WHERE digits = ? AND at <= ? ORDER BY at DESC"
    return [(account, key) for account, key in run(connection, query, digits, until).all()]


def findings(category: str, params: FindingQuery) -> Select[Any]:
    return select(FINDING).where(*_finding_wheres(category, params))


def finding_totals(category: str, params: FindingQuery) -> Select[Any]:
    """Select (kind, sum of counts) of all findings that match; from the counts that are kept, where they
    suffice.
    """
    if params.queue_id is None and params.since is None:
        return _kept_totals(category, params)
    # SQLite groups by an index on the kind, and then reads the whole category, unless it is an expression.
    kind: ColumnElement[Any] = FINDING.c.kind.concat("").label("kind")
    total = select(kind, func.sum(FINDING.c.count))
    return total.where(*_finding_wheres(category, params)).group_by(kind)


def _kept_totals(category: str, params: FindingQuery) -> Select[Any]:
    named = [TASK_COUNT.c.what == "finding", TASK_COUNT.c.name == category]
    wanted = {"account": params.account, "value": getattr(params, "kind", None)}
    named += [TASK_COUNT.c[name] == value for name, value in wanted.items() if value is not None]
    total = select(TASK_COUNT.c.value.label("kind"), func.sum(TASK_COUNT.c.number))
    return total.where(*named).group_by(TASK_COUNT.c.value)


def of_any_account(table: Table) -> Where:
    """Return the condition that the account is a known one, since the indexes begin with the account."""
    return table.c.account.in_(select(TASK_COUNT.c.account).distinct())


def queues(account: str | None, queue_id: str | None = None) -> Select[Any]:
    """Select queues with their sweeps."""
    same = and_(SWEEP.c.account == QUEUE.c.account, SWEEP.c.queue_id == QUEUE.c.queue_id)
    return (
        select(QUEUE, SWEEP.c.completed_at.label("swept_at"), SWEEP.c.error.label("sweep_error"))
        .join(SWEEP, same, isouter=True)
        .where(*_of_queue(QUEUE, account, queue_id))
        .order_by(QUEUE.c.account, QUEUE.c.queue_id)
    )


def queue_states(account: str | None, queue_id: str | None = None) -> Select[Any]:
    """Select (account, queue id, state, number of tasks)."""
    columns = (TASK_COUNT.c[name] for name in ("account", "name", "value", "number"))
    wheres = [TASK_COUNT.c.what == "state", TASK_COUNT.c.number != 0]
    wanted = {"account": account, "name": queue_id}
    wheres += [TASK_COUNT.c[name] == value for name, value in wanted.items() if value is not None]
    return select(*columns).where(*wheres)


def tasks_by(column_name: str, params: AccountQuery) -> Select[Any]:
    """Select (value, number of tasks)."""
    by = TASK.c[column_name]
    return select(by, func.count()).where(*equal(TASK, params, ("account",))).group_by(by)


def tasks_by_result(params: AccountQuery) -> Select[str | None, int]:
    """Select (result, number of tasks); the result is null for tasks that have not ended."""
    result = _result().label("result")
    counted = select(result, func.count()).select_from(TASK)
    return counted.where(*equal(TASK, params, ("account",))).group_by(column("result"))


def expected_hooks(params: AccountQuery) -> Select[Any]:
    """Select one row: the expected hooks of settled tasks, a column for each event."""
    sums = (func.sum(TASK.c.expected[event].as_integer()).label(event) for event in EVENTS)
    return select(*sums).where(TASK.c.settled.is_(True), *equal(TASK, params, ("account",)))


def findings_by_kind(params: AccountQuery) -> Select[Any]:
    """Select (category, kind, sum of counts)."""
    by = (TASK_COUNT.c.name, TASK_COUNT.c.value)
    counted = select(*by, func.sum(TASK_COUNT.c.number)).where(TASK_COUNT.c.what == "finding")
    return counted.where(*equal(TASK_COUNT, params, ("account",))).group_by(*by)


def delivery_counts(params: AccountQuery) -> Select[int, int]:
    """Select one row: the number of deliveries, and of those with a problem."""
    counted = select(func.count().label("total"), func.count(DELIVERY.c.problem).label("problem"))
    return counted.select_from(DELIVERY).where(*equal(DELIVERY, params, ("account",)))


def fact_count(params: AccountQuery) -> Select[int]:
    return select(func.count()).select_from(FACT).where(*equal(FACT, params, ("account",)))


def _result() -> ColumnElement[str | None]:
    """Return success, failed, `unknown` for a task that ended without a result, or null if it has not
    ended.
    """
    unsaid = case((TASK.c.state.in_(_ENDED), literal("unknown")), else_=None)
    return func.coalesce(TASK.c.finish_result, unsaid)


def _finding_wheres(category: str, params: FindingQuery) -> Sequence[Where]:
    return [
        FINDING.c.category == category,
        *equal(FINDING, params, ("account", "queue_id", "kind")),
        *between(FINDING.c.at, params.since, None),
    ]


def _of_queue(table: Table, account: str | None, queue_id: str | None) -> list[Where]:
    wanted = {"account": account, "queue_id": queue_id}
    return [table.c[name] == value for name, value in wanted.items() if value is not None]
