"""Create the demonstration's tasks as an integrator would: through the client, with minted URLs."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

from receiver.app import Receiver
from receiver.demo.plan import PlannedTask, plan_tasks
from receiver.errors import AmbiguousCreateError, NotFoundError, QuotaExhaustedError, SchedulerError
from receiver.reconcile.account_context import AccountContext
from receiver.reconcile.creation import create_tasks, with_urls
from receiver.scheduler.wire import NewQueue, TaskRecord

_CHUNK = 25
_QUEUE_LIMIT = 80
_AGAIN_S = 5.0
_TRIES = 50


async def create_all(receiver: Receiver, url: str, count: int, seed: int) -> AsyncIterator[int]:
    """Create queues, then tasks in chunks. Yields the number of tasks of each chunk that surely exist."""
    by_queue: dict[tuple[str, str], list[PlannedTask]] = defaultdict(list)
    for planned in plan_tasks(count, seed):
        by_queue[planned.account, planned.queue].append(planned)
    for (account, name), tasks in by_queue.items():
        context = receiver.contexts[account]
        queue_id = await ensure_queue(context, name)
        for start in range(0, len(tasks), _CHUNK):
            yield await _create_chunk(context, queue_id, url, tasks[start : start + _CHUNK])


async def ensure_queue(context: AccountContext, name: str) -> str:
    """Return the id of the queue of that name. Looks before creating: a lost answer may have made it."""
    for _ in range(_TRIES):
        try:
            known = {queue.name: queue.id for queue in await context.client.list_queues()}
            if name in known:
                return known[name]
            new = NewQueue(name=name, status="on", concurrent_task_limit=_QUEUE_LIMIT)
            return (await context.client.create_queue(new)).id
        except SchedulerError as error:
            await _wait(context, error)
    raise NotFoundError(f"queue {name}: the scheduler did not create it")


async def _create_chunk(
    context: AccountContext, queue_id: str, url: str, chunk: Sequence[PlannedTask]
) -> int:
    tasks = [with_urls(context, url, planned.ref, planned.task) for planned in chunk]
    for _ in range(_TRIES):
        try:
            records = await create_tasks(context, queue_id, tasks)
        except AmbiguousCreateError:
            return 0  # some may exist: a sweep finds them, and another request could dial a person twice
        except SchedulerError as error:
            await _wait(context, error)
        else:
            await _delete(context, queue_id, chunk, records)
            return len(records)
    return 0


async def _delete(
    context: AccountContext, queue_id: str, chunk: Sequence[PlannedTask], records: Sequence[TaskRecord]
) -> None:
    for planned, record in zip(chunk, records, strict=True):
        if not planned.delete:
            continue
        try:
            await context.client.delete_task(queue_id, record.id)
        except SchedulerError as error:
            await _wait(context, error)


async def _wait(context: AccountContext, error: SchedulerError) -> None:
    reset = error.reset_at - context.clock.now() if isinstance(error, QuotaExhaustedError) else 0.0
    await context.clock.sleep(max(_AGAIN_S, reset))
