"""One pass over the queues and due tasks of an account: by page, or one by one where that is cheaper."""

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Row

from receiver.domain.facts import QueueSnapshot, TaskGone, observation
from receiver.errors import (
    QuotaExhaustedError,
    SchedulerAuthError,
    SchedulerError,
    SchedulerNotFoundError,
    SchedulerRefusedError,
    SchedulerUnreachableError,
)
from receiver.observability.logs import RateLimitedLog
from receiver.observability.spans import current_task
from receiver.observability.trace_ids import TaskName
from receiver.reconcile.account_context import (
    AccountContext,
    DueTasks,
    Horizon,
    about,
    is_nameable,
    is_proven,
)
from receiver.reconcile.due_sql import in_queue, not_in
from receiver.reconcile.memory import Absences, PassReport, Unlinked
from receiver.reconcile.queue_watch import QueueWatch
from receiver.reconcile.sweep import Sweeper

_limited_log = RateLimitedLog(structlog.get_logger("receiver.reconcile"))

_AT_ONCE = 4
"""Single tasks that are asked for at the same time."""

_SEARCH_S = 5.0
"""Seconds for each page that is read only in search of tasks without an id."""

_DOWN = 2
"""Requests in a row without an answer after which the API counts as down for this pass."""

_NO_ANSWER = (SchedulerUnreachableError, SchedulerAuthError)


class PassMemory:
    """What goes from one pass over an account to the next. `troubled`: queue → when it failed last."""

    def __init__(self, context: AccountContext) -> None:
        self.context = context
        self.due_tasks = DueTasks(context)
        self.queues = QueueWatch(context)
        self.unlinked = Unlinked(context)
        self.sweeper = Sweeper(context, self.unlinked)
        self.absences = Absences(context.clock)
        self.troubled: dict[str, float] = {}


@dataclass(frozen=True, slots=True)
class _Batch:
    """Due tasks that are asked about together.

    `counts`: queue → number of due tasks, where `due` does not hold all. `known`: queues by id. `unplaced`:
    tasks whose queue is no more than a hook's claim; `everywhere`: the queues in which they are looked for.
    `asked`: tasks that were asked about, by key. `put_off`: tasks that were not looked for, and until when.
    `denied`: by key, the number of queues that do not have an unplaced task.
    """

    due: Sequence[Row[Any]]
    counts: Mapping[str | None, int]
    known: Mapping[str, QueueSnapshot]
    unplaced: list[Row[Any]] = field(default_factory=list)
    everywhere: list[str] = field(default_factory=list)
    asked: dict[str, Row[Any]] = field(default_factory=dict)
    put_off: dict[str, tuple[Row[Any], float]] = field(default_factory=dict)
    denied: Counter[str] = field(default_factory=Counter)


class ReconcilePass:
    """`sweeps`: each queue's last. `stale`: the queues to read through in any case."""

    def __init__(
        self,
        memory: PassMemory,
        report: PassReport,
        sweeps: Mapping[str, Row[Any]],
        stale: Collection[str],
    ) -> None:
        self._memory = memory
        self._context = memory.context
        self._report = report
        self._sweeps = sweeps
        self._stale = stale
        self._listed: dict[str, set[str]] = {}
        """Queue that was read through → the ids that it showed."""

    async def ask_all(self, horizon: Horizon) -> None:
        """Ask about every task within the horizon, batch after batch."""
        due_tasks = self._memory.due_tasks
        rows = await due_tasks.behind("", horizon)
        while await self._ask(rows, {}) and len(rows) == due_tasks.batch:
            rows = await due_tasks.behind(rows[-1].key, horizon)

    async def ask_first(self, horizon: Horizon) -> None:
        """Ask about one batch. Only one failing queue has its turn, so that failing queues cannot fill it."""
        due_tasks, counts = self._memory.due_tasks, Counter[str | None]()
        troubled = sorted(self._memory.troubled, key=self._memory.troubled.__getitem__)
        rows = await due_tasks.first(horizon, not_in(troubled))
        if len(rows) >= due_tasks.batch:
            counts = await due_tasks.count(horizon, not_in(troubled))
        for queue_id in troubled:
            if more := await due_tasks.first(horizon, in_queue(queue_id)):
                rows += more
                break
        await self._ask(rows, counts)

    async def _ask(self, due: Sequence[Row[Any]], counts: Mapping[str | None, int]) -> bool:
        """Ask about these tasks, and read stale queues through. Return False if the pass must end."""
        self._report.due += len(due)
        batch = _Batch(due, counts, await self._memory.queues.known())
        by_queue: dict[str, list[Row[Any]]] = defaultdict(list)
        for row in due:
            is_placed = row.queue_id and (is_proven(row) or row.queue_id in batch.known)
            (by_queue[row.queue_id] if is_placed else batch.unplaced).append(row)
        if batch.unplaced:
            batch.everywhere.extend(_open(batch.known))
        work = {
            queue_id: by_queue[queue_id] + (batch.unplaced if queue_id in batch.everywhere else [])
            for queue_id in (*by_queue, *self._stale, *batch.everywhere)
        }
        goes_on = await self._ask_queues(batch, work)
        await self._conclude(batch)
        return goes_on

    async def _ask_queues(self, batch: _Batch, work: Mapping[str, Sequence[Row[Any]]]) -> bool:
        """Ask queue by queue, those that failed last time last.

        Return False once the quota is used up, or the API seems down.
        """
        failed, troubled = self._report.failed, self._memory.troubled
        unanswered = int("queues" in failed)
        queue_ids = [queue_id for queue_id in work if queue_id not in failed]
        for queue_id in sorted(queue_ids, key=lambda queue_id: troubled.get(queue_id, 0.0)):
            try:
                await self._ask_queue(batch, queue_id, work[queue_id])
            except QuotaExhaustedError as error:
                self._report.fail("quota", error)
                return False
            except SchedulerError as error:
                self._report.fail(queue_id, error)
                troubled[queue_id] = self._context.clock.now()
                unanswered = unanswered + 1 if isinstance(error, _NO_ANSWER) else 0
                if unanswered == _DOWN:
                    return False
            else:
                troubled.pop(queue_id, None)
                unanswered = 0
        return True

    async def _ask_queue(self, batch: _Batch, queue_id: str, rows: Sequence[Row[Any]]) -> None:
        """Ask a queue about these tasks. A list may hide tasks: missing ones are asked for alone."""
        named = [row for row in rows if _name(row)]
        nameless = [row for row in rows if not _name(row)]
        pages = 1 + math.ceil(
            _number(self._sweeps, queue_id, "tasks") / self._context.client.account.per_page
        )
        swept_at = _number(self._sweeps, queue_id, "completed_at")
        # Tasks without an id can only be found by their URLs, but not over and over again.
        search_at = swept_at + _SEARCH_S * pages * max(len(batch.everywhere), 1)
        is_cheaper = queue_id in self._stale or max(len(named), batch.counts.get(queue_id, 0)) > pages
        is_searched = bool(nameless) and self._context.clock.now() >= search_at
        if queue_id not in self._listed and (is_cheaper or is_searched):
            listed = await self._memory.sweeper.sweep(queue_id, self._sweeps.get(queue_id))
            self._listed[queue_id] = listed or set()
            if listed is None:
                await self._memory.queues.note_gone(queue_id)
            else:
                self._report.swept += 1
        if queue_id not in self._listed:
            for row in nameless:
                _, until = batch.put_off.get(row.key, (row, search_at))
                batch.put_off[row.key] = (row, min(until, search_at))
            await self._ask_each(batch, queue_id, named)
            return
        missing = [row for row in named if _name(row) not in self._listed[queue_id]]
        keys = {row.key for row in missing}
        batch.asked.update((row.key, row) for row in rows if row.key not in keys)
        await self._ask_each(batch, queue_id, missing)
        if nameless:
            await self._ask_unlinked(queue_id)

    async def _ask_each(self, batch: _Batch, queue_id: str, rows: Sequence[Row[Any]]) -> None:
        """Ask for tasks one by one, the first first. Raise the first failure; after it nothing is asked."""
        limit = asyncio.Semaphore(_AT_ONCE)
        failures: list[SchedulerError] = []

        async def ask(row: Row[Any]) -> None:
            async with limit:
                if failures:
                    return
                try:
                    self._context.require_quota()
                    batch.asked[row.key] = row
                    self._report.asked += 1
                    await self._ask_one(batch, queue_id, row)
                except SchedulerError as error:
                    failures.append(error)

        results = await asyncio.gather(*map(ask, rows), return_exceptions=True)
        for error in (*results, *failures):
            if error is not None:
                raise error

    async def _ask_one(self, batch: _Batch, queue_id: str, row: Row[Any]) -> None:
        """Ask for one task. A 404 counts only in the queue that had the task, and not for a claimed id."""
        context, asked_at = self._context, self._context.clock.now()
        try:
            with current_task(TaskName(context.account, *about(row))):
                record = await context.client.get_task(queue_id, _name(row))
        except SchedulerNotFoundError:
            if row.queue_id != queue_id:
                batch.denied[row.key] += 1
            elif row.task_id:
                await self._note_absent(row)
            return
        except SchedulerRefusedError as error:
            # Asked again later, like any request in vain; it must not keep the others from their turn.
            _limited_log.warning("the scheduler refuses a task", account=context.account, problem=str(error))
            return
        self._memory.absences.end(row.key)
        await context.record_tasks(queue_id, asked_at, [record])

    async def _ask_unlinked(self, queue_id: str) -> None:
        """Ask for the URLs of tasks that the list showed without: they may be the nameless ones."""
        context, unlinked = self._context, self._memory.unlinked
        for task_id in await unlinked.next(queue_id):
            context.require_quota()
            self._report.asked += 1
            asked_at = context.clock.now()
            try:
                record = await context.client.get_task(queue_id, task_id)
            except (SchedulerNotFoundError, SchedulerRefusedError):
                unlinked.note_answer(task_id, None)
                continue
            unlinked.note_answer(task_id, record)
            await context.record_tasks(queue_id, asked_at, [record])

    async def _conclude(self, batch: _Batch) -> None:
        """Record absent tasks as gone, and delay the next request for all others.

        An unplaced task is absent if every queue denied it, one without an id if no queue lists it.
        """
        for row in batch.unplaced:
            if row.task_id and 0 < len(batch.everywhere) == batch.denied[row.key]:
                await self._note_absent(row)
        if nameless := [row for row in batch.due if not row.task_id]:
            unlisted_since = self._memory.sweeper.unlisted_since(_open(await self._memory.queues.known()))
            for row in nameless:
                if row.due_at < unlisted_since:
                    await self._note_gone(row)
        put_off = [entry for key, entry in batch.put_off.items() if key not in batch.asked]
        await self._memory.due_tasks.note(batch.asked.values(), put_off)

    async def _note_absent(self, row: Row[Any]) -> None:
        """Record a task as gone if the API has denied it for long enough."""
        if self._memory.absences.lasts(row.key):
            await self._note_gone(row)

    async def _note_gone(self, row: Row[Any]) -> None:
        self._report.gone += 1
        context = self._context
        gone = observation(context.account, context.clock.now(), TaskGone(), about(row))
        await context.ledger.record([gone])


def _name(row: Row[Any]) -> str:
    """Return the id to ask for; empty if none is known, or if a hook's claim cannot be one."""
    name = row.task_id or row.claimed_id
    return name if is_nameable(name) else ""


def _open(known: Mapping[str, QueueSnapshot]) -> list[str]:
    return [queue_id for queue_id, queue in known.items() if queue.status != "gone"]


def _number(sweeps: Mapping[str, Row[Any]], queue_id: str, column: str) -> float:
    """Return a number of a queue's last sweep; 0 if there is none."""
    sweep = sweeps.get(queue_id)
    return (getattr(sweep, column) or 0.0) if sweep else 0.0
