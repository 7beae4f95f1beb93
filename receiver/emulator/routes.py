"""The operations of the API on queues, tasks and calls."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from starlette.responses import JSONResponse, Response

from receiver.emulator import errors
from receiver.emulator.api import ApiCall, TasksResponse
from receiver.emulator.history import history_record
from receiver.emulator.inputs import Page, QueueChange, QueueInput, TasksInput, read_body, read_page
from receiver.emulator.records import Queue, Task
from receiver.emulator.wire import broken, is_broken, listed, on_page, queue_fields, task_answer, without_urls


def find_queue(call: ApiCall) -> Queue:
    """Return the queue of the path. Raises ApiError (404)."""
    queue = call.account.queues.get(call.id_of("scheduler_id"))
    if queue is None:
        raise errors.not_found()
    return queue


async def create_queue(call: ApiCall) -> Response:
    given = await read_body(call.request, QueueInput, call.now)
    queue = Queue(
        id=call.account.new_queue_id(),
        account=call.account.number,
        name=given.name,
        comment=given.comment,
        status=given.status,
        limit=given.concurrent_task_limit,
        created_at=call.now,
    )
    call.account.queues[queue.id] = queue
    return _answer(call, queue, 201)


async def list_queues(call: ApiCall) -> Response:
    queues = list(call.account.queues.values())[read_page(call.request).bounds]
    return JSONResponse([queue_fields(queue, call.context.config.later_revision) for queue in queues])


async def read_queue(call: ApiCall) -> Response:
    return _answer(call, find_queue(call))


async def change_queue(call: ApiCall) -> Response:
    queue = find_queue(call)
    given = await read_body(call.request, QueueChange, call.now)
    queue.comment = queue.comment if given.comment is None else given.comment
    queue.status = given.status or queue.status
    queue.limit = given.concurrent_task_limit or queue.limit
    call.context.engine.reconsider(queue)
    return _answer(call, queue)


async def delete_queue(call: ApiCall) -> Response:
    queue = find_queue(call)
    for task in list(queue.tasks.values()):
        call.context.engine.withdraw(task)
    del call.account.queues[queue.id]
    return Response(status_code=204)


def _answer(call: ApiCall, queue: Queue, status: int = 200) -> Response:
    return JSONResponse(queue_fields(queue, call.context.config.later_revision), status)


def find_task(call: ApiCall) -> Task:
    task = find_queue(call).tasks.get(call.id_of("task_id"))
    if task is None:
        raise errors.not_found()
    return task


async def create_tasks(call: ApiCall) -> Response:
    queue, now = find_queue(call), call.now
    given = await read_body(call.request, TasksInput, now)
    plans = [task.plan() for task in given.tasks]
    if "no_pause" in call.account.quirks:
        plans = [replace(plan, try_again_pause=0) for plan in plans]
    tasks = [call.account.add_task(queue, plan, now) for plan in plans]
    for task in tasks:
        call.context.engine.admit(task)
    records = [_record(call, task) for task in tasks]
    return TasksResponse(_shaped(call, records, Page(page=1, per_page=20)), 201, tasks)


async def list_tasks(call: ApiCall) -> Response:
    queue, page, quirks = find_queue(call), read_page(call.request), call.account.quirks
    if page.page == 1:
        queue.hides_finished_by = call.now if _hides_finished(call, queue) else None
    tasks = [task for task in queue.tasks.values() if not _hidden(task, queue.hides_finished_by)]
    records: list[Any] = []
    shown: list[Task] = []
    for task in on_page(tasks, quirks, page, call.context.config):
        record = _record(call, task)
        if is_broken(task, call.context.config.seed, call.context.config.faults.broken_record):
            call.context.world.injected["api_broken_record"] += 1
            records.append(broken(record, call.context.config.seed))
            continue
        if "no_urls_in_lists" in quirks:
            records.append(without_urls(record))
            continue
        records.append(record)
        shown.append(task)
    return TasksResponse(_shaped(call, records, page), 200, shown)


async def read_task(call: ApiCall) -> Response:
    task = find_task(call)
    return TasksResponse(_record(call, task), 200, [task])


async def delete_task(call: ApiCall) -> Response:
    call.context.engine.withdraw(find_task(call))
    return Response(status_code=204)


def _record(call: ApiCall, task: Task) -> dict[str, Any]:
    return task_answer(task, call.context.config.later_revision, call.account.quirks)


def _shaped(call: ApiCall, records: Sequence[Any], page: Page) -> Any:
    return listed(records, call.context.config.list_shape, page.page, page.per_page)


def _hides_finished(call: ApiCall, queue: Queue) -> bool:
    """Decide at page 1 whether the listing hides finished tasks, so that its pages do not shift."""
    rng = call.context.world.rng_of("listing", call.account.number, queue.id)
    hides = rng.random() < call.context.config.faults.hide_finished
    call.context.world.injected["api_hide_finished"] += hides
    return hides


def _hidden(task: Task, finished_by: float | None) -> bool:
    return finished_by is not None and task.finished_at is not None and task.finished_at <= finished_by


@asynccontextmanager
async def _exclusive(call: ApiCall) -> AsyncIterator[None]:
    """Take as long as call history takes, and reject requests meanwhile."""
    if "no_call_history" in call.account.quirks:
        raise errors.forbidden()
    if call.account.history_busy:
        raise errors.stats_busy()
    call.account.history_busy = True
    try:
        await call.context.clock.sleep(call.context.config.history_seconds)
        yield
    finally:
        call.account.history_busy = False


async def call_history_read(call: ApiCall) -> Response:
    async with _exclusive(call):
        record = call.account.find_call(call.request.path_params["call_uuid"])
        if record is None:
            raise errors.not_found()
        return JSONResponse(history_record(record))


async def call_history_list(call: ApiCall) -> Response:
    page = read_page(call.request)
    async with _exclusive(call):
        records = list(call.account.calls.values())[page.bounds]
        body = {"page": page.page, "per_page": page.per_page, "order": "asc"}
        return JSONResponse(body | {"call_history": [history_record(record) for record in records]})
