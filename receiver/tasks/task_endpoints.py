"""Tasks: the list, one of them, and how we know."""

from sqlalchemy import Connection

from receiver.domain.facts import Fact
from receiver.domain.task_rows import task_row
from receiver.errors import NotFoundError
from receiver.http.endpoint import Call
from receiver.http.paging import read_page
from receiver.ledger.fact_rows import key_of
from receiver.ledger.fact_sql import facts_of
from receiver.ledger.links import find_links
from receiver.tasks import queries
from receiver.tasks.params import AsOfQuery, TaskQuery
from receiver.tasks.schemas import Task, TaskPage, TimelineView
from receiver.tasks.views import task_view, timeline_view


async def list_tasks(call: Call[TaskQuery, None]) -> TaskPage:
    """A page of tasks, newest first."""

    def read(connection: Connection) -> TaskPage:
        asked = call.query
        rows, following = read_page(connection, queries.tasks(asked), queries.TASKS_ORDER, asked)
        return TaskPage(tasks=[task_view(row, call.numbers) for row in rows], next_cursor=following)

    return await call.context.store.read(read)


async def get_task(call: Call[AsOfQuery, None]) -> Task:
    """One task, now or as it was known at a moment. Raises NotFoundError."""

    def read(connection: Connection) -> Task:
        if call.query.as_of is not None:
            return task_view(task_row(call.context.fold(_heard(connection, call))), call.numbers)
        key = _key(connection, call.path["account"], call.path["key"])
        row = connection.execute(queries.task(call.path["account"], key)).first()
        if row is None:
            raise _unknown()
        return task_view(row._asdict(), call.numbers)

    return await call.context.store.read(read)


async def get_timeline(call: Call[AsOfQuery, None]) -> TimelineView:
    """One task with its facts. Raises NotFoundError."""

    def read(connection: Connection) -> TimelineView:
        facts = _heard(connection, call)
        return timeline_view(call.context.fold(facts), facts, call.numbers)

    return await call.context.store.read(read)


def _heard(connection: Connection, call: Call[AsOfQuery, None]) -> list[Fact]:
    """The task's facts that were known by the moment asked about. Raises NotFoundError where none was."""
    account, as_of = call.path["account"], call.query.as_of
    key = _key(connection, account, call.path["key"])
    facts = facts_of(connection, account, [key]).get(key, [])
    heard = [fact for fact in facts if as_of is None or fact.at <= as_of]
    if not heard:
        raise _unknown() if not facts else NotFoundError("not heard of by then: ask for a later as_of")
    return heard


def _key(connection: Connection, account: str, name: str) -> str:
    """The key of the task with this ref, or else with this vendor's id."""
    if connection.execute(queries.task(account, name)).first():
        return name
    task_id = name.removeprefix("#")
    return key_of(None, task_id, find_links(connection, account, [task_id]))


def _unknown() -> NotFoundError:
    return NotFoundError("the account has no task with this ref or vendor's id: look for it in /v1/tasks")
