"""Every statement of the API. They only read; order and page are put on by `page`."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    and_,
    case,
    column,
    exists,
    func,
    literal,
    select,
)

from receiver.domain.facts import EVENTS
from receiver.http.paging import Order, Where, between, equal
from receiver.http.params import AccountQuery
from receiver.ledger.tables import DELIVERY, FACT
from receiver.tasks.params import FindingQuery, TaskQuery
from receiver.tasks.tables import FINDING, QUEUE, SWEEP, TASK, TASK_COUNT

TASKS_ORDER: Order = (TASK.c.first_at, TASK.c.account, TASK.c.key)


FINDINGS_ORDER: Order = (FINDING.c.at, FINDING.c.account, FINDING.c.key, FINDING.c.kind)


_ENDED = ("connected", "finished", "gone")


def tasks(asked: TaskQuery) -> Select[Any]:
    names = ("account", "queue_id", "state", "confidence", "settled", "task_id")
    wheres = [*equal(TASK, asked, names), *between(TASK.c.first_at, asked.since, asked.until)]
    if asked.ref is not None:  # a task with a ref has it as its key, which is in an index
        wheres += [TASK.c.key == asked.ref, TASK.c.ref == asked.ref]
    if asked.account is None and (asked.ref is not None or asked.task_id is not None):
        wheres.append(of_any_account(TASK))
    if asked.finish_result:
        wheres.append(_result() == asked.finish_result)
    if asked.lost is not None:
        lost = exists().where(
            FINDING.c.account == TASK.c.account,
            FINDING.c.key == TASK.c.key,
            FINDING.c.category == "lost_hook",
        )
        wheres.append(lost if asked.lost else ~lost)
    return select(TASK).where(*wheres)


def task(account: str, key: str) -> Select[Any]:
    return select(TASK).where(TASK.c.account == account, TASK.c.key == key)


def findings(category: str, asked: FindingQuery) -> Select[Any]:
    return select(FINDING).where(*_finding_wheres(category, asked))


def finding_totals(category: str, asked: FindingQuery) -> Select[Any]:
    """(kind, sum of counts) of all that match, whatever the page."""
    total = select(FINDING.c.kind, func.sum(FINDING.c.count))
    return total.where(*_finding_wheres(category, asked)).group_by(FINDING.c.kind)


def of_any_account(table: Table) -> Where:
    """Of one of the accounts that there are, each of which is looked up: indexes begin with the account."""
    return table.c.account.in_(select(TASK_COUNT.c.account).distinct())


def queues(account: str | None, queue_id: str | None = None) -> Select[Any]:
    """Queues with how far they have been read."""
    same = and_(SWEEP.c.account == QUEUE.c.account, SWEEP.c.queue_id == QUEUE.c.queue_id)
    return (
        select(QUEUE, SWEEP.c.completed_at.label("swept_at"), SWEEP.c.error.label("sweep_error"))
        .join(SWEEP, same, isouter=True)
        .where(*_of_queue(QUEUE, account, queue_id))
        .order_by(QUEUE.c.account, QUEUE.c.queue_id)
    )


def queue_states(account: str | None, queue_id: str | None = None) -> Select[Any]:
    """(account, queue id, state, tasks)."""
    columns = (TASK_COUNT.c[name] for name in ("account", "name", "value", "number"))
    wheres = [TASK_COUNT.c.what == "state", TASK_COUNT.c.number != 0]
    wanted = {"account": account, "name": queue_id}
    wheres += [TASK_COUNT.c[name] == value for name, value in wanted.items() if value is not None]
    return select(*columns).where(*wheres)


def tasks_by(column_name: str, asked: AccountQuery) -> Select[Any]:
    """(value, tasks)."""
    by = TASK.c[column_name]
    return select(by, func.count()).where(*equal(TASK, asked, ("account",))).group_by(by)


def tasks_by_result(asked: AccountQuery) -> Select[str | None, int]:
    """(result, tasks); no result: those that have not ended."""
    result = _result().label("result")
    counted = select(result, func.count()).select_from(TASK)
    return counted.where(*equal(TASK, asked, ("account",))).group_by(column("result"))


def expected_hooks(asked: AccountQuery) -> Select[Any]:
    """One row: per event, how many hooks had to come for settled tasks."""
    sums = (func.sum(TASK.c.expected[event].as_integer()).label(event) for event in EVENTS)
    return select(*sums).where(TASK.c.settled.is_(True), *equal(TASK, asked, ("account",)))


def findings_by_kind(asked: AccountQuery) -> Select[Any]:
    """(category, kind, sum of counts)."""
    by = (TASK_COUNT.c.name, TASK_COUNT.c.value)
    counted = select(*by, func.sum(TASK_COUNT.c.number)).where(TASK_COUNT.c.what == "finding")
    return counted.where(*equal(TASK_COUNT, asked, ("account",))).group_by(*by)


def delivery_counts(asked: AccountQuery) -> Select[int, int]:
    """One row: all, and those with a problem."""
    counted = select(func.count().label("total"), func.count(DELIVERY.c.problem).label("problem"))
    return counted.select_from(DELIVERY).where(*equal(DELIVERY, asked, ("account",)))


def fact_count(asked: AccountQuery) -> Select[int]:
    return select(func.count()).select_from(FACT).where(*equal(FACT, asked, ("account",)))


def _result() -> ColumnElement[str | None]:
    """success, failed, `unknown` for a task that ended so, null for one that has not ended."""
    unsaid = case((TASK.c.state.in_(_ENDED), literal("unknown")), else_=None)
    return func.coalesce(TASK.c.finish_result, unsaid)


def _finding_wheres(category: str, asked: FindingQuery) -> Sequence[Where]:
    return [
        FINDING.c.category == category,
        *equal(FINDING, asked, ("account", "queue_id", "kind")),
        *between(FINDING.c.at, asked.since, None),
    ]


def _of_queue(table: Table, account: str | None, queue_id: str | None) -> list[Where]:
    wanted = {"account": account, "queue_id": queue_id}
    return [table.c[name] == value for name, value in wanted.items() if value is not None]
