"""The scheduler's API, typed: one client for one account."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from functools import partial
from types import TracebackType
from typing import Self

import httpx2

from receiver.domain.masking import has_phone
from receiver.errors import AmbiguousCreateError
from receiver.observability.metrics import Metrics
from receiver.runtime.clock import Clock
from receiver.scheduler.account import (
    CALL_PATH,
    QUEUE_PATH,
    QUEUES_PATH,
    TASK_PATH,
    TASKS_PATH,
    SchedulerAccount,
)
from receiver.scheduler.answers import QUEUES, TASKS, Answer, InDoubtError, call_record, record
from receiver.scheduler.exchange import Exchange, Request
from receiver.scheduler.listing import Kind, Listing
from receiver.scheduler.session import Session
from receiver.scheduler.task_creator import TaskCreator
from receiver.scheduler.wire import CallHistoryRecord, NewQueue, NewTask, QueueChange, QueueRecord, TaskRecord


class SchedulerClient:
    """All calls raise errors of the SchedulerError tree only; ids are the scheduler's.

    Use it as an async context manager, in one event loop; callers may share it freely. `queues` and `tasks`
    read lists page by page, without the records that cannot be read; `tasks` takes a `queue_id`. A page that
    is shorter than `per_page` need not be the last: the server may cap it. `quota`: what answers said of it.
    """

    def __init__(
        self,
        account: SchedulerAccount,
        *,
        clock: Clock,
        rng: random.Random,
        metrics: Metrics,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.account = account
        self._exchange = Exchange(account, clock, metrics, transport)
        self._session = Session(self._exchange, clock, rng)
        self.quota = self._exchange.quota
        self.queues = Listing(
            self._session, Kind("list_queues", QUEUES_PATH, QueueRecord, QUEUES, 10, is_strict=False)
        )
        self.tasks = Listing(self._session, Kind("list_tasks", TASKS_PATH, TaskRecord, TASKS))
        self._creator = TaskCreator(self._session, self.tasks)
        self._history = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exchange.aclose()

    @property
    def clock_offset(self) -> float | None:
        """Seconds that the scheduler's clock is ahead of ours, by the latest answer's Date."""
        return self._exchange.clock_offset

    @property
    def calls(self) -> int:
        """HTTP requests sent so far, those for tokens included."""
        return self._exchange.calls

    async def list_queues(self) -> list[QueueRecord]:
        return [queue async for page in self.queues.pages() for queue in page.records]

    async def get_queue(self, queue_id: str | int) -> QueueRecord:
        return await self._session.call(
            Request("get_queue", "GET", QUEUE_PATH, _read_queue, {"queue_id": queue_id})
        )

    async def create_queue(self, queue: NewQueue) -> QueueRecord:
        """Create a queue. It is never sent twice: raises AmbiguousCreateError if the answer got lost."""
        body = queue.model_dump(mode="json", exclude_none=True)
        try:
            return await self._session.call(
                Request("create_queue", "POST", QUEUES_PATH, _read_queue, json=body)
            )
        except InDoubtError as error:
            ref = "#0" if has_phone(queue.name) else queue.name
            raise AmbiguousCreateError(f"create_queue: it may exist ({error})", (ref,)) from error

    async def change_queue(self, queue_id: str | int, change: QueueChange) -> QueueRecord:
        body = change.model_dump(mode="json", exclude_unset=True)
        return await self._session.call(
            Request("change_queue", "PUT", QUEUE_PATH, _read_queue, {"queue_id": queue_id}, json=body)
        )

    async def delete_queue(self, queue_id: str | int) -> None:
        await self._session.call(
            Request("delete_queue", "DELETE", QUEUE_PATH, _read_nothing, {"queue_id": queue_id})
        )

    async def iter_tasks(self, queue_id: str | int) -> AsyncIterator[TaskRecord]:
        """Yield all tasks that the scheduler lists, each id once; it may hide finished ones.

        Ends without an error only if every page could be read.
        """
        async for page in self.tasks.pages(queue_id=queue_id):
            for task in page.records:
                yield task

    async def get_task(self, queue_id: str | int, task_id: str | int) -> TaskRecord:
        read = partial(record, model=TaskRecord, names=TASKS)
        ids = {"queue_id": queue_id, "task_id": task_id}
        return await self._session.call(Request("get_task", "GET", TASK_PATH, read, ids))

    async def delete_task(self, queue_id: str | int, task_id: str | int) -> None:
        ids = {"queue_id": queue_id, "task_id": task_id}
        await self._session.call(Request("delete_task", "DELETE", TASK_PATH, _read_nothing, ids))

    async def create_tasks(self, queue_id: str | int, tasks: Sequence[NewTask]) -> list[TaskRecord]:
        """Return the created tasks in the order given, in chunks; a lost answer is looked up in the list.

        Raises AmbiguousCreateError with all tasks not known to exist as `refs` (name, or `#index`) once any
        task was created or may have been; any other error means that none was.
        """
        return await self._creator.create(queue_id, tasks)

    async def find_tasks(
        self, queue_id: str | int, tasks: Sequence[NewTask], sent_at: float
    ) -> tuple[dict[int, TaskRecord], bool]:
        """Return the tasks of an earlier creation that the list shows, by index, and whether the others
        surely do not exist. `sent_at`: when they were sent, epoch seconds.
        """
        return await self._creator.find(queue_id, tasks, sent_at)

    async def get_call(self, uuid: str) -> CallHistoryRecord:
        """Return the call of a task's `cdr`. One at a time: concurrent history calls are refused."""
        async with self._history:
            return await self._session.call(
                Request("get_call", "GET", CALL_PATH, partial(call_record, uuid=uuid), {"call_uuid": uuid})
            )


def _read_queue(answer: Answer) -> QueueRecord:
    return record(answer, QueueRecord, QUEUES)


def _read_nothing(_: Answer) -> None:
    return None
