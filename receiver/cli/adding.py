"""Creating the tasks of a file, a chunk at a time, with progress; what exists already is left alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.progress import track
from sqlalchemy import select

from receiver.app import Receiver
from receiver.cli.output import STDERR
from receiver.domain.hooks import our_hook
from receiver.errors import AmbiguousCreateError, SchedulerError
from receiver.reconcile.creation import create_tasks, with_urls
from receiver.reconcile.desk import Desk
from receiver.scheduler.wire import NewTask
from receiver.server import machine_world
from receiver.settings import Settings
from receiver.store.tables import TASK

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
    desk = receiver.desks[account]
    async with receiver.recording():
        there = await _existing(desk, queue_id)
        added = Added([(ref, there[ref], False) for ref, _ in tasks if ref in there])
        missing = [
            (ref, with_urls(desk, settings.hook_root, ref, task)) for ref, task in tasks if ref not in there
        ]
        chunks = [missing[start : start + _CHUNK] for start in range(0, len(missing), _CHUNK)]
        for chunk in track(chunks, "creating tasks", console=STDERR, disable=len(chunks) < 2):
            try:
                records = await create_tasks(desk, queue_id, [task for _, task in chunk])
            except AmbiguousCreateError as error:
                added.problem, added.in_doubt = str(error), [ref for ref, _ in chunk]
                break
            except SchedulerError as error:
                added.problem = f"{error}; nothing of the last {len(chunk)} tasks was created"
                break
            added.tasks += [(ref, record.id, True) for (ref, _), record in zip(chunk, records, strict=True)]
    return added


async def _existing(desk: Desk, queue_id: str) -> dict[str, str | None]:
    """Ref → task id, of tasks that we have heard of or that the queue shows: it may hide finished ones."""
    heard_of = select(TASK.c.ref, TASK.c.task_id).where(
        TASK.c.account == desk.account, TASK.c.ref.isnot(None)
    )
    rows = await desk.store.read(lambda connection: list(connection.execute(heard_of)))
    found: dict[str, str | None] = {row.ref: row.task_id for row in rows}
    async for record in desk.client.iter_tasks(queue_id):
        paths = [path for url in record.urls.values() if (path := our_hook(url)) and desk.signer.verify(path)]
        found.update((path.ref, record.id) for path in paths if path.ref)
    return found
