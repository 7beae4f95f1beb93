"""Endpoints that create and cancel tasks at the scheduler, and the table of the room's endpoints. They stand
in this room, since it records what the scheduler's API shows.
"""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection

from receiver.errors import InputError
from receiver.http.audit import record_audit
from receiver.http.endpoint import Call, Endpoint, Params
from receiver.reconcile.canceling import cancel_task
from receiver.reconcile.create_once import CreateOnce, CreationResult
from receiver.reconcile.new_tasks import KeyedTask, read_task
from receiver.reconcile.schemas import (
    MAX_TASKS,
    CanceledTask,
    CreateBody,
    CreationAnswer,
    SchedulerAccounts,
    TaskCreationResult,
    TaskToCreate,
)
from receiver.reconcile.state_endpoint import RECONCILIATION_ENDPOINT
from receiver.tasks.names import queue_id_of

_MAX_BODY = 4096 * MAX_TASKS


async def create_tasks_once(call: Call[Params, CreateBody]) -> CreationAnswer:
    """Create the tasks that do not exist yet, and return the result of each. Raises InputError for an unknown
    account or queue, SchedulerError if no task was sent.
    """
    body = call.body
    context = call.context.service(SchedulerAccounts).get(body.account)
    read = _read(body.tasks, context.region)
    good = [task for task in read if isinstance(task, KeyedTask)]
    queue_id = await call.context.store.read(
        lambda connection: queue_id_of(connection, body.account, body.queue_id)
    )
    creation = CreateOnce(context, call.context.public_url, queue_id)
    results = {result.ref: result for result in await creation.create(good)}
    answers = [results[task.ref] if isinstance(task, KeyedTask) else task for task in read]
    states: dict[str, int] = Counter(answer.state for answer in answers)
    await call.context.store.write(
        lambda connection: record_audit(connection, call, "task.create", f"{body.account}/{queue_id}", states)
    )
    return CreationAnswer(
        account=body.account,
        queue_id=queue_id,
        tasks=[TaskCreationResult(**answer._asdict()) for answer in answers],
    )


def _read(tasks: Sequence[TaskToCreate], region: str) -> list[KeyedTask | CreationResult]:
    """Return each task, or the result of one that is refused."""
    read: list[KeyedTask | CreationResult] = []
    refs = set()
    for task in tasks:
        try:
            keyed = read_task(task.given(), region)
            if keyed.ref in refs:
                raise InputError("ref", "must differ from the refs of the other tasks")
        except InputError as error:
            read.append(CreationResult(_ref(task), "refused", None, error.field, error.problem))
        else:
            refs.add(keyed.ref)
            read.append(keyed)
    return read


def _ref(task: TaskToCreate) -> str:
    """Return the ref of a task that is refused, shortened; empty if there is none."""
    return task.ref[:64] if isinstance(task.ref, str) else ""


async def cancel(call: Call[Params, None]) -> CanceledTask:
    """Delete a task at the scheduler. Raises NotFoundError, ConflictError and SchedulerError."""
    account, name = call.path["account"], call.path["key"]
    context = call.context.service(SchedulerAccounts).get(account)
    row, was_there = await cancel_task(context, name)

    def conclude(connection: Connection) -> CanceledTask:
        record_audit(connection, call, "task.cancel", f"{account}/{row.key}", {"canceled": was_there})
        return CanceledTask(
            account=account, key=row.key, task_id=row.task_id, state=row.state, canceled=was_there
        )

    return await call.context.store.write(conclude)


RECONCILE_ENDPOINTS = (
    RECONCILIATION_ENDPOINT,
    Endpoint(
        "POST",
        "/v1/tasks",
        "Create tasks",
        f"Creates up to {MAX_TASKS} tasks in a queue of the scheduler, with minted hook URLs. `ref` is the "
        "key: a request that is repeated, or runs twice at the same time, creates each task once. Each task "
        "has a result of its own; the status is 200 although some may be refused. Send a task that is "
        "`unknown` again with the same ref.",
        "create",
        CreationAnswer,
        create_tasks_once,
        body=CreateBody,
        problems=("409", "502"),
        max_body=_MAX_BODY,
    ),
    Endpoint(
        "DELETE",
        "/v1/tasks/{account}/{key}",
        "Cancel a task",
        "Deletes the task at the scheduler, so that nobody is called again; a running call may go on. "
        "Subscribers get `task.gone`. A task that is gone already stays so; one that has finished is a "
        "conflict. It takes 30 seconds if the scheduler does not know the task.",
        "create",
        CanceledTask,
        cancel,
        problems=("409", "502"),
    ),
)
