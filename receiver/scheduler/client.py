"""The scheduler's API, typed: one client for one account."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self

import httpx2

from receiver.domain.masking import has_phone
from receiver.errors import AmbiguousCreateError
from receiver.runtime.clock import Clock
from receiver.scheduler.account import SchedulerAccount
from receiver.scheduler.answers import QUEUES, TASKS, Answer, Salvaged, call_record, record
from receiver.scheduler.creation import TaskCreator
from receiver.scheduler.exchange import Exchange, Observer, Request
from receiver.scheduler.faults import InDoubtError
from receiver.scheduler.listing import Kind, Listing
from receiver.scheduler.quota import Quota
from receiver.scheduler.session import Session
from receiver.scheduler.wire import CallRecord, NewQueue, NewTask, QueueChange, QueueRecord, TaskRecord


class SchedulerClient:
    """All calls raise errors of the SchedulerError tree only; ids are the scheduler's.

    To be used as an async context manager, in one event loop; callers may share it freely.
    """

    def __init__(
        self,
        account: SchedulerAccount,
        *,
        clock: Clock,
        rng: random.Random,
        transport: httpx2.AsyncBaseTransport | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.account = account
        self._exchange = Exchange(account, clock, transport, observer)
        self._session = Session(account, self._exchange, clock, rng)
        self._queues = Listing(self._session, Kind("list_queues", QueueRecord, QUEUES, 10, is_strict=False))
        self._tasks = Listing(self._session, Kind("list_tasks", TaskRecord, TASKS))
        self._creator = TaskCreator(self._session, self._tasks)
        self._history = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exchange.aclose()

    @property
    def quota(self) -> Quota:
        """What is known of the account's quota."""
        return self._session.quota

    @property
    def clock_offset(self) -> float | None:
        """Seconds that the scheduler's clock is ahead of ours, by the latest answer's Date."""
        return self._session.clock_offset

    @property
    def calls(self) -> int:
        """HTTP requests sent so far, those for tokens included."""
        return self._exchange.calls

    @property
    def broken_queues(self) -> tuple[str, ...]:
        """The queues that could not be read when they were listed last: ids, or `#` and the place."""
        return self._queues.broken

    async def list_queues(self) -> list[QueueRecord]:
        return [queue async for page in self._queues.pages(self.account.queues_url) for queue in page]

    async def get_queue(self, queue_id: str | int) -> QueueRecord:
        return await self._session.call(Request("get_queue", "GET", self.account.queue_url(queue_id)), _queue)

    async def create_queue(self, queue: NewQueue) -> QueueRecord:
        """Never sent twice: raises AmbiguousCreateError if the answer got lost."""
        body = queue.model_dump(mode="json", exclude_none=True)
        try:
            return await self._session.call(
                Request("create_queue", "POST", self.account.queues_url, json=body), _queue
            )
        except InDoubtError as error:
            ref = "#0" if has_phone(queue.name) else queue.name
            raise AmbiguousCreateError(f"create_queue: it may exist ({error})", (ref,)) from error

    async def change_queue(self, queue_id: str | int, change: QueueChange) -> QueueRecord:
        body = change.model_dump(mode="json", exclude_unset=True)
        return await self._session.call(
            Request("change_queue", "PUT", self.account.queue_url(queue_id), json=body), _queue
        )

    async def delete_queue(self, queue_id: str | int) -> None:
        await self._session.call(
            Request("delete_queue", "DELETE", self.account.queue_url(queue_id)), _nothing
        )

    async def list_tasks_page(self, queue_id: str | int, page: int) -> Salvaged[TaskRecord]:
        """One page, from 1, without the records that cannot be read. A page shorter than `per_page` need not
        be the last: the server may cap it.
        """
        return await self._tasks.page(self.account.tasks_url(queue_id), page)

    async def iter_tasks(self, queue_id: str | int) -> AsyncIterator[TaskRecord]:
        """All tasks that the scheduler lists, each id once; it may hide finished ones.

        Ends without an error only if every page could be read.
        """
        async for page in self._tasks.pages(self.account.tasks_url(queue_id)):
            for task in page:
                yield task

    async def get_task(self, queue_id: str | int, task_id: str | int) -> TaskRecord:
        return await self._session.call(
            Request("get_task", "GET", self.account.task_url(queue_id, task_id)),
            lambda answer: record(answer, TaskRecord, TASKS),
        )

    async def delete_task(self, queue_id: str | int, task_id: str | int) -> None:
        await self._session.call(
            Request("delete_task", "DELETE", self.account.task_url(queue_id, task_id)), _nothing
        )

    async def create_tasks(self, queue_id: str | int, tasks: Sequence[NewTask]) -> list[TaskRecord]:
        """The created tasks in the order given, in chunks; a lost answer is looked up in the queue's list.

        Raises AmbiguousCreateError with all tasks not known to exist as `refs` (name, or `#index`) once any
        task was created or may have been; any other error means that none was.
        """
        return await self._creator.create(queue_id, tasks)

    async def get_call(self, uuid: str) -> CallRecord:
        """The call of a task's `cdr`. One at a time: the scheduler refuses concurrent history calls."""
        async with self._history:
            return await self._session.call(
                Request("get_call", "GET", self.account.call_url(uuid)),
                lambda answer: call_record(answer, uuid),
            )


def _queue(answer: Answer) -> QueueRecord:
    return record(answer, QueueRecord, QUEUES)


def _nothing(_: Answer) -> None:
    return None
