"""The integrator, who creates the world's tasks: some through the receiver, some past it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random

from receiver.domain.hooks import mint_urls
from receiver.errors import AmbiguousCreateError, SchedulerError
from receiver.reconcile.creation import create_tasks
from receiver.scheduler.client import SchedulerClient
from receiver.scheduler.wire import NewQueue, NewTask, QueueChange, TaskRecord
from tests.simulation.receiver_env import PUBLIC, SIGNER, ReceiverEnv

CHUNK = 7
SPREAD_S = 400
NOTICED_S = 1200
"""By then the receiver has read every queue. What is deleted sooner, before any hook, nobody can know of."""
TRIES = 40


@dataclass(frozen=True, slots=True)
class Planned:
    """One task to create, and whether to delete it before it starts."""

    ref: str
    task: NewTask
    delete: bool


def plan(seed: int, count: int, starts_after: int) -> list[Planned]:
    """`count` tasks; those to be deleted start so late that they have surely not begun by then."""
    numbers = range(count)
    return [_plan(Random(f"plan:{seed}:{n}"), f"sim-{seed}-{n}", starts_after) for n in numbers]


def _plan(rng: Random, ref: str, starts_after: int) -> Planned:
    delete = rng.random() < 0.05
    task = NewTask(
        name=ref,
        a_number=f"1{rng.randrange(100):02}",
        b_number=f"+7916{rng.randrange(10**7):07}",
        try_count=rng.choices((1, 2, 3, 5), (4, 4, 3, 1))[0],
        try_again_pause=rng.choice((20, 30, 45, 90)),
        start_time_utc=2 * NOTICED_S if delete else starts_after + rng.randrange(SPREAD_S),
    )
    return Planned(ref, task, delete)


@dataclass(slots=True)
class Integrator:
    """Creates tasks in one account. `client` is another application of the account than the receiver's.

    `receiver`: the running receiver, or None while it is down.
    """

    account: str
    client: SchedulerClient
    receiver: Callable[[], ReceiverEnv | None]
    rng: Random

    async def work(self, tasks: Sequence[Planned]) -> None:
        """Queues and tasks, chunk by chunk, while the receiver comes and goes."""
        half = len(tasks) // 2
        unwanted: list[tuple[str, str]] = []
        for name, mine in (("sales", tasks[:half]), ("support", tasks[half:])):
            queue_id = await self._queue(name)
            for start in range(0, len(mine), CHUNK):
                chunk = mine[start : start + CHUNK]
                records = await self._chunk(queue_id, chunk)
                pairs = zip(chunk, records, strict=bool(records))
                unwanted += [(queue_id, record.id) for planned, record in pairs if planned.delete]
                await asyncio.sleep(20)
            if self.rng.random() < 0.3:
                await self._rest(queue_id)
        await asyncio.sleep(NOTICED_S)
        for queue_id, task_id in unwanted:
            await self._delete(queue_id, task_id)

    async def _queue(self, name: str) -> str:
        """The id of the queue of that name. A lost answer may have made it: so look before creating."""
        for _ in range(TRIES):
            try:
                known = {queue.name: queue.id for queue in await self.client.list_queues()}
                if name in known:
                    return known[name]
                await self.client.create_queue(NewQueue(name=name, status="on", concurrent_task_limit=4))
            except SchedulerError:
                await asyncio.sleep(5)
        raise AssertionError(f"queue {name} was not created")

    async def _chunk(self, queue_id: str, chunk: Sequence[Planned]) -> Sequence[TaskRecord]:
        for _ in range(TRIES):
            try:
                return await self._create(queue_id, [_with_urls(self.account, each) for each in chunk])
            except (AmbiguousCreateError, asyncio.CancelledError):
                break  # some may exist, and to ask again could dial a person twice
            except SchedulerError:
                await asyncio.sleep(15)
        return ()

    async def _create(self, queue_id: str, tasks: Sequence[NewTask]) -> Sequence[TaskRecord]:
        """Raises CancelledError where the receiver that should have done it died over it."""
        receiver = self.receiver() if self.rng.random() < 0.5 else None
        if receiver is None:
            return await self.client.create_tasks(queue_id, tasks)
        return await receiver.do(create_tasks(receiver.contexts[self.account], queue_id, tasks))

    async def _rest(self, queue_id: str) -> None:
        """Switch the queue off for some minutes."""
        await self._surely(lambda: self.client.change_queue(queue_id, QueueChange(status="off")))
        await asyncio.sleep(300)
        await self._surely(lambda: self.client.change_queue(queue_id, QueueChange(status="on")))

    async def _delete(self, queue_id: str, task_id: str) -> None:
        await self._surely(lambda: self.client.delete_task(queue_id, task_id))

    async def _surely(self, act: Callable[[], Awaitable[object]]) -> None:
        for _ in range(TRIES):
            try:
                await act()
            except SchedulerError:
                await asyncio.sleep(5)
            else:
                return


def _with_urls(account: str, planned: Planned) -> NewTask:
    urls = mint_urls(SIGNER, PUBLIC, account, planned.ref)
    return planned.task.model_copy(update={name: url for name, url in urls.items() if name != "ref"})
