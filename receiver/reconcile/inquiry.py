"""The questions of one pass: a queue's tasks by page, or one by one where that is cheaper."""

import asyncio
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Row

from receiver.errors import SchedulerError, SchedulerNotFoundError, SchedulerRefusedError
from receiver.observability.logs import Seldom
from receiver.observability.spans import current_task
from receiver.observability.trace_ids import TaskName
from receiver.reconcile.absence import Absences
from receiver.reconcile.context import AccountContext, about, is_nameable
from receiver.reconcile.due_tasks import DueTasks
from receiver.reconcile.facts_from_api import task_gone
from receiver.reconcile.loop import Report
from receiver.reconcile.queues import QueueWatch
from receiver.reconcile.sweep import Sweeper
from receiver.reconcile.unlinked import Unlinked

_seldom = Seldom(structlog.get_logger("receiver.reconcile"))

_AT_ONCE = 4
"""Single tasks asked for at the same time."""

_SEARCH_S = 5.0
"""Seconds for each page that is read only in search of tasks without an id."""


@dataclass(slots=True)
class Inquiry:
    """`sweeps`: each queue's last. `stale`: the queues to read through in any case. `due`: how many tasks are
    due in a queue, where those given to ask about are not all. `breadth`: in how many queues the tasks of
    unknown place may be. `seen`: the ids in the queues that were read through. `tried`: the tasks that were
    asked about, by key. `put_off`: those that were not looked for, and until when. `denied`: how many queues
    do not have a task of unknown place. `absences`: the tasks that were denied of late, by key.
    """

    context: AccountContext
    queues: QueueWatch
    sweeper: Sweeper
    unlinked: Unlinked
    report: Report
    absences: Absences
    sweeps: Mapping[str, Row[Any]]
    stale: Collection[str]
    due: Mapping[str | None, int] = field(default_factory=dict)
    breadth: int = 0
    seen: dict[str, set[str]] = field(default_factory=dict)
    tried: dict[str, Row[Any]] = field(default_factory=dict)
    put_off: dict[str, tuple[Row[Any], float]] = field(default_factory=dict)
    denied: Counter[str] = field(default_factory=Counter)

    async def ask(self, queue_id: str, rows: Sequence[Row[Any]]) -> None:
        """Ask what became of these tasks.

        A list may hide a task, so those that it does not show are asked for by themselves.
        """
        named = [row for row in rows if _name(row)]
        nameless = [row for row in rows if not _name(row)]
        if queue_id not in self.seen and self._is_better_by_page(queue_id, named, nameless):
            await self._read_through(queue_id)
        if queue_id not in self.seen:
            self._put_off(nameless, self._search_opens_at(queue_id))
            await self._ask_each(queue_id, named)
            return
        absent = [row for row in named if _name(row) not in self.seen[queue_id]]
        left = {row.key for row in absent}
        self.tried |= {row.key: row for row in rows if row.key not in left}
        await self._ask_each(queue_id, absent)
        if nameless:
            await self._ask_unlinked(queue_id)

    async def conclude(self, due: Sequence[Row[Any]], unplaced: Sequence[Row[Any]]) -> None:
        """Tasks of unknown place are gone if every queue denied them, those of unknown id if no queue lists
        them. What was tried or put off is asked about later: with that all are done, and others can be asked
        about.
        """
        for row in unplaced:
            if row.task_id and 0 < self.breadth == self.denied[row.key]:
                await self._note_absent(row)
        await self._end_unlisted([row for row in due if not row.task_id])
        put_off = [each for key, each in self.put_off.items() if key not in self.tried]
        await DueTasks(self.context).note(self.tried.values(), put_off)
        for noted in (self.tried, self.put_off, self.denied):
            noted.clear()

    def _is_better_by_page(
        self, queue_id: str, named: Sequence[Row[Any]], nameless: Sequence[Row[Any]]
    ) -> bool:
        """Tasks without an id can only be found by their URLs, but not over and over again."""
        if queue_id in self.stale or max(len(named), self.due.get(queue_id, 0)) > self._pages(queue_id):
            return True
        return bool(nameless) and self.context.clock.now() >= self._search_opens_at(queue_id)

    def _pages(self, queue_id: str) -> int:
        sweep = self.sweeps.get(queue_id)
        return 1 + math.ceil((sweep.tasks if sweep else 0) / self.context.client.account.per_page)

    def _search_opens_at(self, queue_id: str) -> float:
        """From when on the queue may be read only in search of tasks without an id."""
        sweep = self.sweeps.get(queue_id)
        swept_at = sweep.completed_at or 0.0 if sweep else 0.0
        return swept_at + _SEARCH_S * self._pages(queue_id) * max(self.breadth, 1)

    def _put_off(self, rows: Sequence[Row[Any]], until: float) -> None:
        """Not to be read again and again while they can only wait, when they take the place of others."""
        for row in rows:
            _, other = self.put_off.get(row.key, (row, until))
            self.put_off[row.key] = (row, min(until, other))

    async def _read_through(self, queue_id: str) -> None:
        seen = await self.sweeper.sweep(queue_id)
        self.seen[queue_id] = seen or set()
        if seen is None:
            await self.queues.note_gone(queue_id)
        else:
            self.report.swept += 1

    async def _ask_each(self, queue_id: str, rows: Sequence[Row[Any]]) -> None:
        """One by one, the first first. Raises the first failure; after it nothing more is asked."""
        limit = asyncio.Semaphore(_AT_ONCE)
        failures: list[SchedulerError] = []

        async def ask(row: Row[Any]) -> None:
            async with limit:
                if failures:
                    return
                try:
                    self.context.require_quota()
                    self.tried[row.key] = row
                    self.report.asked += 1
                    await self._ask_one(queue_id, row)
                except SchedulerError as error:
                    failures.append(error)

        results = await asyncio.gather(*map(ask, rows), return_exceptions=True)
        for error in (*results, *failures):
            if error is not None:
                raise error

    async def _ask_one(self, queue_id: str, row: Row[Any]) -> None:
        """A 404 makes the task gone if this is where it was; of an id that a hook claimed it says nothing."""
        context, asked_at = self.context, self.context.clock.now()
        try:
            with current_task(TaskName(context.account, *about(row))):
                record = await context.client.get_task(queue_id, _name(row))
        except SchedulerNotFoundError:
            if row.queue_id != queue_id:
                self.denied[row.key] += 1
            elif row.task_id:
                await self._note_absent(row)
            return
        except SchedulerRefusedError as error:
            # Asked again later, like any question in vain; it must not keep the others from their turn.
            _seldom.warning("the scheduler refuses a task", account=context.account, problem=str(error))
            return
        self.absences.end(row.key)
        await context.record_tasks(queue_id, asked_at, [record])

    async def _ask_unlinked(self, queue_id: str) -> None:
        """For the URLs of tasks that the list showed without: they may be those that are looked for."""
        context = self.context
        for task_id in await self.unlinked.next(queue_id):
            context.require_quota()
            self.report.asked += 1
            asked_at = context.clock.now()
            try:
                record = await context.client.get_task(queue_id, task_id)
            except (SchedulerNotFoundError, SchedulerRefusedError):
                self.unlinked.answered(task_id, None)
                continue
            self.unlinked.answered(task_id, record)
            await context.record_tasks(queue_id, asked_at, [record])

    async def _end_unlisted(self, nameless: Sequence[Row[Any]]) -> None:
        """A task that was deleted before its id was learnt is missing in the lists."""
        if not nameless:
            return
        open_queues = [
            queue_id for queue_id, said in (await self.queues.known()).items() if said.status != "gone"
        ]
        unlisted_since = self.sweeper.unlisted_since(open_queues)
        for row in nameless:
            if row.due_at < unlisted_since:
                await self._note_gone(row)

    async def _note_absent(self, row: Row[Any]) -> None:
        """The API denied the task: it is gone if that lasts."""
        if self.absences.lasts(row.key):
            await self._note_gone(row)

    async def _note_gone(self, row: Row[Any]) -> None:
        self.report.gone += 1
        await self.context.record([task_gone(self.context.account, self.context.clock.now(), about(row))])


def _name(row: Row[Any]) -> str:
    """The id to ask for; empty where none is known or what a hook claims cannot be one."""
    name = row.task_id or row.claimed_id
    return name if is_nameable(name) else ""
