"""Queues: the `task_scheduler` resource."""

from starlette.responses import JSONResponse, Response

from receiver.emulator import refusals
from receiver.emulator.door import ApiCall
from receiver.emulator.inputs import QueueChange, QueueInput, read_body, read_page
from receiver.emulator.records import Queue
from receiver.emulator.wire import queue_fields


def find_queue(call: ApiCall) -> Queue:
    """The queue of the path; 404 if the account has no such queue."""
    queue = call.account.queues.get(call.id_of("scheduler_id"))
    if queue is None:
        raise refusals.not_found()
    return queue


async def create_queue(call: ApiCall) -> Response:
    wish = await read_body(call.request, QueueInput, call.now)
    queue = Queue(
        id=call.account.new_queue_id(),
        account=call.account.number,
        name=wish.name,
        comment=wish.comment,
        status=wish.status,
        limit=wish.concurrent_task_limit,
        created_at=call.now,
    )
    call.account.queues[queue.id] = queue
    return _answer(call, queue, 201)


async def list_queues(call: ApiCall) -> Response:
    queues = list(call.account.queues.values())[read_page(call.request).bounds]
    return JSONResponse([queue_fields(queue, call.parts.config.later_revision) for queue in queues])


async def read_queue(call: ApiCall) -> Response:
    return _answer(call, find_queue(call))


async def change_queue(call: ApiCall) -> Response:
    queue = find_queue(call)
    wish = await read_body(call.request, QueueChange, call.now)
    queue.comment = queue.comment if wish.comment is None else wish.comment
    queue.status = wish.status or queue.status
    queue.limit = wish.concurrent_task_limit or queue.limit
    call.parts.engine.reconsider(queue)
    return _answer(call, queue)


async def delete_queue(call: ApiCall) -> Response:
    queue = find_queue(call)
    for task in list(queue.tasks.values()):
        call.parts.engine.withdraw(task)
    del call.account.queues[queue.id]
    return Response(status_code=204)


def _answer(call: ApiCall, queue: Queue, status: int = 200) -> Response:
    return JSONResponse(queue_fields(queue, call.parts.config.later_revision), status)
