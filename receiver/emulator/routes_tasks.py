"""The tasks of a queue. There is no changing of a task."""

from starlette.responses import JSONResponse, Response

from receiver.emulator import refusals
from receiver.emulator.door import ApiCall
from receiver.emulator.inputs import Page, TasksInput, read_body, read_page
from receiver.emulator.records import Queue, Task
from receiver.emulator.routes_queues import find_queue
from receiver.emulator.wire import listed, task_answer


def find_task(call: ApiCall) -> Task:
    task = find_queue(call).tasks.get(call.id_of("task_id"))
    if task is None:
        raise refusals.not_found()
    return task


async def create_tasks(call: ApiCall) -> Response:
    queue, now = find_queue(call), call.now
    wish = await read_body(call.request, TasksInput, now)
    tasks = [call.account.add_task(queue, task.plan(), now) for task in wish.tasks]
    for task in tasks:
        call.parts.engine.admit(task)
    return _answer(call, tasks, Page(page=1, per_page=20), 201)


async def list_tasks(call: ApiCall) -> Response:
    queue, page = find_queue(call), read_page(call.request)
    if page.page == 1:
        queue.hides_finished_by = call.now if _hides_finished(call, queue) else None
    tasks = [task for task in queue.tasks.values() if not _hidden(task, queue.hides_finished_by)]
    return _answer(call, tasks[page.bounds], page)


async def read_task(call: ApiCall) -> Response:
    return JSONResponse(task_answer(find_task(call), call.parts.config.later_revision))


async def delete_task(call: ApiCall) -> Response:
    call.parts.engine.withdraw(find_task(call))
    return Response(status_code=204)


def _answer(call: ApiCall, tasks: list[Task], page: Page, status: int = 200) -> Response:
    config = call.parts.config
    answers = [task_answer(task, config.later_revision) for task in tasks]
    return JSONResponse(listed(answers, config.list_shape, page.page, page.per_page), status)


def _hides_finished(call: ApiCall, queue: Queue) -> bool:
    """Drawn at page 1 for the whole listing: pages of one listing must not shift against each other."""
    rng = call.parts.world.chance_of("listing", call.account.number, queue.id)
    hides = rng.random() < call.parts.config.faults.hide_finished
    call.parts.world.injected["api_hide_finished"] += hides
    return hides


def _hidden(task: Task, finished_by: float | None) -> bool:
    return finished_by is not None and task.finished_at is not None and task.finished_at <= finished_by
