"""Creating tasks with minted URLs; the scheduler's answer is the first fact about each."""

from collections.abc import Mapping, Sequence

from receiver.domain.hooks import mint_urls
from receiver.reconcile.account_context import AccountContext
from receiver.scheduler.wire import NewTask, TaskRecord


def with_urls(context: AccountContext, public_url: str, ref: str, task: NewTask) -> NewTask:
    """Return the task with the four hook URLs of `ref`. Raises InputError if the ref cannot be in a URL."""
    urls = mint_urls(context.signer, public_url, context.account, ref)
    return task.model_copy(update={name: url for name, url in urls.items() if name != "ref"})


async def create_tasks(context: AccountContext, queue_id: str, tasks: Sequence[NewTask]) -> list[TaskRecord]:
    """Create the tasks, record the answer, and return their records in order. Raises SchedulerError."""
    asked_at = context.clock.now()
    created = await context.client.create_tasks(queue_id, tasks)
    return await record_created(context, queue_id, asked_at, tasks, dict(enumerate(created)))


async def record_created(
    context: AccountContext,
    queue_id: str,
    asked_at: float,
    tasks: Sequence[NewTask],
    created: Mapping[int, TaskRecord],
) -> list[TaskRecord]:
    """Record new tasks and return their records. `created`: by the task's index."""
    records = [
        # A scheduler that does not echo the URLs still has those that were sent.
        record
        if record.has_urls
        else record.model_copy(update={f"url_{event}": url for event, url in tasks[index].urls.items()})
        for index, record in created.items()
    ]
    if records:
        await context.record_tasks(queue_id, asked_at, records)
    return records
