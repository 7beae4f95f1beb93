"""The tasks of a queue. There is no changing of a task."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from receiver.emulator import refusals
from receiver.emulator.door import ApiCall, TasksResponse
from receiver.emulator.inputs import Page, TasksInput, read_body, read_page
from receiver.emulator.listing import broken, is_broken, on_page, without_urls
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
    plans = [task.plan() for task in wish.tasks]
    if "no_pause" in call.account.quirks:
        plans = [replace(plan, try_again_pause=0) for plan in plans]
    tasks = [call.account.add_task(queue, plan, now) for plan in plans]
    for task in tasks:
        call.parts.engine.admit(task)
    records = [_record(call, task) for task in tasks]
    return TasksResponse(_shaped(call, records, Page(page=1, per_page=20)), 201, tasks)


async def list_tasks(call: ApiCall) -> Response:
    queue, page, quirks = find_queue(call), read_page(call.request), call.account.quirks
    if page.page == 1:
        queue.hides_finished_by = call.now if _hides_finished(call, queue) else None
    tasks = [task for task in queue.tasks.values() if not _hidden(task, queue.hides_finished_by)]
    records: list[Any] = []
    whole: list[Task] = []
    for task in on_page(tasks, quirks, page, call.parts.config):
        record = _record(call, task)
        if is_broken(task, call.parts.config.seed, call.parts.config.faults.broken_record):
            call.parts.world.injected["api_broken_record"] += 1
            records.append(broken(record, call.parts.config.seed))
            continue
        if "no_urls_in_lists" in quirks:
            records.append(without_urls(record))
            continue
        records.append(record)
        whole.append(task)
    return TasksResponse(_shaped(call, records, page), 200, whole)


async def read_task(call: ApiCall) -> Response:
    task = find_task(call)
    return TasksResponse(_record(call, task), 200, [task])


async def delete_task(call: ApiCall) -> Response:
    call.parts.engine.withdraw(find_task(call))
    return Response(status_code=204)


def _record(call: ApiCall, task: Task) -> dict[str, Any]:
    return task_answer(task, call.parts.config.later_revision, call.account.quirks)


def _shaped(call: ApiCall, records: Sequence[Any], page: Page) -> Any:
    return listed(records, call.parts.config.list_shape, page.page, page.per_page)


def _hides_finished(call: ApiCall, queue: Queue) -> bool:
    """Drawn at page 1 for the whole listing: pages of one listing must not shift against each other."""
    rng = call.parts.world.chance_of("listing", call.account.number, queue.id)
    hides = rng.random() < call.parts.config.faults.hide_finished
    call.parts.world.injected["api_hide_finished"] += hides
    return hides


def _hidden(task: Task, finished_by: float | None) -> bool:
    return finished_by is not None and task.finished_at is not None and task.finished_at <= finished_by
