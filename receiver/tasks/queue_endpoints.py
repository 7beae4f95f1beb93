"""Endpoints of queues."""

from collections import defaultdict

from sqlalchemy import Connection

from receiver.errors import NotFoundError
from receiver.http.endpoint import Call, Params
from receiver.http.params import AccountQuery
from receiver.tasks import queries
from receiver.tasks.schemas import Queue, QueueList


async def list_queues(call: Call[AccountQuery, None]) -> QueueList:
    """Return all queues."""
    queues = await call.context.store.read(lambda connection: _read(connection, call.query.account), "heavy")
    return QueueList(queues=queues)


async def get_queue(call: Call[Params, None]) -> Queue:
    """Return a queue. Raises NotFoundError."""
    account, queue_id = call.path["account"], call.path["queue_id"]
    found = await call.context.store.read(lambda connection: _read(connection, account, queue_id))
    if not found:
        raise NotFoundError("the account has no such queue: they are listed in /v1/queues")
    return found[0]


def _read(connection: Connection, account: str | None, queue_id: str | None = None) -> list[Queue]:
    tasks: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for owner, queue, state, count in connection.execute(queries.queue_states(account, queue_id)):
        tasks[owner, queue][state] = count
    rows = [row._asdict() for row in connection.execute(queries.queues(account, queue_id))]
    return [
        Queue.model_validate({**row, "tasks": tasks.get((row["account"], row["queue_id"]), {})})
        for row in rows
    ]
