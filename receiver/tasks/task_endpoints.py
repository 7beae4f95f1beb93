"""Endpoints of tasks: the list, a task, and its timeline."""

from typing import Any, NamedTuple

from sqlalchemy import Connection, Row

from receiver.domain.facts import Fact
from receiver.domain.task_rows import task_row
from receiver.errors import NotFoundError
from receiver.http.endpoint import Call
from receiver.http.paging import data_range
from receiver.ledger.fact_sql import facts_of, key_of
from receiver.ledger.links import find_links
from receiver.tasks import queries
from receiver.tasks.count_endpoint import task_numbers
from receiver.tasks.find_endpoint import record_search, wanted_by
from receiver.tasks.names import named_queues
from receiver.tasks.params import AsOfQuery, TaskQuery
from receiver.tasks.problems import problems_of
from receiver.tasks.schemas import ListedTask, Task, TaskPage, TimelineView
from receiver.tasks.tables import TASK
from receiver.tasks.task_search import search
from receiver.tasks.views import task_view, timeline_view


async def list_tasks(call: Call[TaskQuery, None]) -> TaskPage:
    """Return a page of tasks, newest first. Raises ForbiddenError, and InputError for a bad number."""
    params = call.query
    wanted = wanted_by(call, params)

    def read(connection: Connection) -> TaskPage:
        rows, next_cursor = search(connection, wanted, params)
        keys = [(row["account"], row["key"]) for row in rows]
        problems = problems_of(connection, wanted.rules, keys)
        tasks = [
            ListedTask(**dict(task_view(row, call.numbers)), problems=problems.get(key, []))
            for row, key in zip(rows, keys, strict=True)
        ]
        named_queues(connection, tasks)
        outside = None
        if not rows and {params.phone, params.problem, params.q} == {None}:
            outside = data_range(connection, queries.tasks, TASK.c.first_at, params)
        counts = task_numbers(connection, wanted) if params.counts else None
        return TaskPage(tasks=tasks, available=outside, counts=counts, next_cursor=next_cursor)

    page = await call.context.store.read(read)
    await record_search(call, wanted, tasks=len(page.tasks))
    return page


async def get_task(call: Call[AsOfQuery, None]) -> Task:
    """Return a task, as it is now or was known at a time. Raises NotFoundError."""

    def read(connection: Connection) -> Task:
        if call.query.as_of is not None:
            return task_view(task_row(call.context.fold(known_task(connection, call).facts)), call.numbers)
        _, row = _find(connection, call.path["account"], call.path["key"])
        if row is None:
            raise _unknown()
        return named_queues(connection, [task_view(row._asdict(), call.numbers)])[0]

    return await call.context.store.read(read)


async def get_timeline(call: Call[AsOfQuery, None]) -> TimelineView:
    """Return a task with its facts. Raises NotFoundError."""

    def read(connection: Connection) -> TimelineView:
        facts = known_task(connection, call).facts
        view = timeline_view(call.context.fold(facts), facts, call.numbers)
        named_queues(connection, [view.task])
        named_queues(connection, view.findings)
        return view

    return await call.context.store.read(read)


class RecordedTask(NamedTuple):
    """`row`: of `task`, as it is now; None if the task is not folded yet. `facts`: known by a time."""

    row: Row[Any] | None
    facts: list[Fact]


def known_task(connection: Connection, call: Call[Any, None]) -> RecordedTask:
    """Return the task with the facts that had arrived by `as_of`. Raises NotFoundError if there are none."""
    account, as_of = call.path["account"], call.query.as_of
    key, row = _find(connection, account, call.path["key"])
    facts = facts_of(connection, account, [key]).get(key, [])
    known = [fact for fact in facts if as_of is None or fact.at <= as_of]
    if not known:
        raise _unknown() if not facts else NotFoundError("not heard of by then: ask for a later as_of")
    return RecordedTask(row, known)


def _find(connection: Connection, account: str, name: str) -> tuple[str, Row[Any] | None]:
    """Return key and row of the task with this ref, or else with this id of the vendor."""
    row = connection.execute(queries.task(account, name)).first()
    if row is not None:
        return name, row
    task_id = name.removeprefix("#")
    key = key_of(None, task_id, find_links(connection, account, [task_id]))
    return key, connection.execute(queries.task(account, key)).first()


def _unknown() -> NotFoundError:
    return NotFoundError("the account has no task with this ref or vendor's id: look for it in /v1/tasks")
