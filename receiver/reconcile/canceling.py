"""Cancel a task: delete it at the scheduler, and record that it is gone."""

from functools import partial
from typing import Any

from sqlalchemy import Connection, Row

from receiver.domain.facts import TaskGone, observation
from receiver.errors import ConflictError, NotFoundError, SchedulerNotFoundError
from receiver.ledger.fact_sql import key_of
from receiver.ledger.links import find_links
from receiver.reconcile.account_context import AccountContext, about
from receiver.reconcile.memory import LASTS_S
from receiver.tasks import queries

_LOOK_S = 6.0
"""Seconds between two requests for a task that the scheduler does not know."""


async def cancel_task(context: AccountContext, name: str) -> tuple[Row[Any], bool]:
    """Delete a task at the scheduler and record that it is gone. Return its row, and whether the scheduler
    had it; a task that is gone already stays as it is. `name`: our ref or the vendor's id.

    Raises NotFoundError for an unknown task, ConflictError if it has finished, SchedulerError.
    """
    find = partial(_find, account=context.account, name=name)
    row = await context.store.read(find)
    if row is None:
        raise NotFoundError("the account has no task with this ref or vendor's id: look for it in /v1/tasks")
    if row.gone:
        return row, False
    if row.state == "finished":
        raise _finished()
    if not row.task_id or not row.queue_id:
        raise ConflictError(
            "the scheduler has not shown the task yet, so its id is not known: try again in a minute"
        )
    was_there = await _delete(context, row)
    await context.ledger.record([observation(context.account, context.clock.now(), TaskGone(), about(row))])
    return await context.store.read(find) or row, was_there


async def _delete(context: AccountContext, row: Row[Any]) -> bool:
    """Delete the task. Return False if it is gone: the scheduler has answered 404 for `LASTS_S` seconds.

    A shorter time is no proof: one server of the scheduler may be behind the others, and could still dial.
    """
    deadline = context.clock.now() + LASTS_S
    while True:
        asked_at = context.clock.now()
        try:
            record = await context.client.get_task(row.queue_id, row.task_id)
            await context.record_tasks(row.queue_id, asked_at, [record])
            if record.is_finished:
                raise _finished()
            await context.client.delete_task(row.queue_id, row.task_id)
        except SchedulerNotFoundError:
            if asked_at >= deadline:
                return False
            await context.clock.sleep(_LOOK_S)
        else:
            return True


def _find(connection: Connection, account: str, name: str) -> Row[Any] | None:
    """Return the row of the task with this ref, or else with this id of the vendor."""
    task_id = name.removeprefix("#")
    keys = name, key_of(None, task_id, find_links(connection, account, [task_id]))
    found = (connection.execute(queries.task(account, key)).first() for key in keys)
    return next((row for row in found if row is not None), None)


def _finished() -> ConflictError:
    return ConflictError("the task has finished: there is nothing left to cancel")
