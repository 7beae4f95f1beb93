"""Creating the tasks of a file, a chunk at a time, with progress; what exists already is left alone."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from functools import partial

from rich.progress import track
from sqlalchemy import Connection, Select, select

from receiver.app import Receiver
from receiver.cli.output import STDERR
from receiver.domain.hooks import our_hook
from receiver.errors import AmbiguousCreateError, SchedulerError
from receiver.reconcile.context import AccountContext
from receiver.reconcile.creation import create_tasks, with_urls
from receiver.scheduler.wire import NewTask
from receiver.server import machine_world
from receiver.settings.settings import Settings
from receiver.storage.bulk import among
from receiver.tasks.tables import TASK

_CHUNK = 50


@dataclass(slots=True)
class Added:
    """(ref, task id, created just now) of each task that exists; `problem`: why it is not all of them.

    Of a task that only hooks have told of, the id is not known.
    """

    tasks: list[tuple[str, str | None, bool]] = field(default_factory=list)
    in_doubt: list[str] = field(default_factory=list)
    problem: str | None = None


async def add_tasks(
    settings: Settings, account: str, queue_id: str, tasks: Sequence[tuple[str, NewTask]]
) -> Added:
    """Create what is not there yet. Raises SchedulerError only where nothing was created."""
    receiver = Receiver(settings, machine_world(settings))
    context = receiver.contexts[account]
    async with receiver.recording():
        there = await _existing(context, queue_id, {ref for ref, _ in tasks})
        added = Added([(ref, there[ref], False) for ref, _ in tasks if ref in there])
        missing = [
            (ref, with_urls(context, settings.hook_root, ref, task))
            for ref, task in tasks
            if ref not in there
        ]
        chunks = [missing[start : start + _CHUNK] for start in range(0, len(missing), _CHUNK)]
        for chunk in track(chunks, "creating tasks", console=STDERR, disable=len(chunks) < 2):
            try:
                records = await create_tasks(context, queue_id, [task for _, task in chunk])
            except AmbiguousCreateError as error:
                added.problem, added.in_doubt = str(error), [ref for ref, _ in chunk]
                break
            except SchedulerError as error:
                added.problem = f"{error}; nothing of the last {len(chunk)} tasks was created"
                break
            added.tasks += [(ref, record.id, True) for (ref, _), record in zip(chunk, records, strict=True)]
    return added


async def _existing(context: AccountContext, queue_id: str, refs: Set[str]) -> dict[str, str | None]:
    """Ref → task id, for those of the refs whose tasks we have heard of or the queue shows: it may hide
    finished ones.
    """
    found = await context.store.read(partial(_heard_of, account=context.account, refs=refs))
    async for record in context.client.iter_tasks(queue_id):
        paths = [
            path for url in record.urls.values() if (path := our_hook(url)) and context.signer.verify(path)
        ]
        found.update((path.ref, record.id) for path in paths if path.ref and path.ref in refs)
    return found


def _heard_of(connection: Connection, account: str, refs: Set[str]) -> dict[str, str | None]:
    """Ref → task id, of tasks in the store. Their refs are their keys, which are in an index."""
    query: Select[str, str | None] = select(TASK.c.key, TASK.c.task_id).where(TASK.c.account == account)
    rows = connection.execute(query.where(among(connection, TASK.c.key, refs)))
    return {key: task_id for key, task_id in rows}  # noqa: C416 - a row is no tuple to the type checker
