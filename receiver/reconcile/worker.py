"""The worker that proves how the tasks of one account ended."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from receiver.errors import QuotaExhaustedError, SchedulerAuthError, SchedulerError, SchedulerUnreachableError
from receiver.reconcile.absence import LASTS_S, Absences
from receiver.reconcile.context import AccountContext, is_proven
from receiver.reconcile.due_sql import in_queue, not_in
from receiver.reconcile.due_tasks import DueTasks, Horizon
from receiver.reconcile.inquiry import Inquiry
from receiver.reconcile.loop import Report, passes
from receiver.reconcile.queues import QueueWatch
from receiver.reconcile.suspects import Suspects
from receiver.reconcile.sweep import Sweeper
from receiver.reconcile.unlinked import Unlinked

_SETTLED_AT_ONCE = 200
"""Tasks settled in one transaction: hooks wait for it."""

_CALLS_SETTLE_S = 15.0
"""Seconds between looks for tasks that are to be settled although the record of a call is wanting."""

_DOWN = 2
"""So many questions in a row without an answer, and the API counts as down for this pass."""

_NO_ANSWER = (SchedulerUnreachableError, SchedulerAuthError)


class TaskReconciler:
    """Asks about tasks that are due, soonest first, and reads every queue through now and then."""

    def __init__(self, context: AccountContext) -> None:
        self.name = f"reconcile-tasks:{context.account}"
        self._context = context
        self._due_tasks = DueTasks(context)
        self._queues = QueueWatch(context)
        self._unlinked = Unlinked(context)
        self._sweeper = Sweeper(context, self._unlinked)
        self._absences = Absences(context.clock)
        self._suspects = Suspects(context)
        self._troubled: dict[str, float] = {}
        self._settled_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Pass after pass until `stop`."""
        await passes(self._context, self.once, stop)

    async def once(self, everything: bool = False) -> Report:
        """One pass over the first tasks that are due; with `everything` over all that is not settled, due or
        not.
        """
        report = Report()
        try:
            await self._pass(report, everything)
            if everything:
                await self._make_sure(report)
        except QuotaExhaustedError as error:
            report.fail("quota", error)
        if not report.failed:
            self._context.metrics.last_sweep.labels(self._context.account).set(self._context.clock.now())
        return report

    async def _make_sure(self, report: Report) -> None:
        """One 404 is not believed, and there may be no further pass. First of a queue, then of its tasks."""
        for _ in range(2):
            if self._absences.are_pending or self._sweeper.absences_are_pending:
                await self._context.clock.sleep(LASTS_S)
                report.failed.clear()
                await self._pass(report, everything=True)

    async def _pass(self, report: Report, everything: bool) -> None:
        horizon = self._context.policy.horizon(self._context.clock.now(), everything)
        waiting: Horizon = {purpose: horizon[purpose] for purpose in ("find", "progress", "confirm")}
        report.settled += await self._settle(horizon["settle"])
        await self._suspects.end()
        try:
            await self._queues.look(everything)
        except QuotaExhaustedError:
            raise
        except SchedulerError as error:
            report.fail("queues", error)
        inquiry = Inquiry(
            self._context,
            self._queues,
            self._sweeper,
            self._unlinked,
            report,
            self._absences,
            sweeps=await self._context.sweeps(),
            stale=await self._queues.stale(everything),
        )
        if everything:
            await self._ask_all(inquiry, waiting)
        else:
            await self._ask_first(inquiry, waiting)

    async def _settle(self, until: float) -> int:
        """All that ended before this moment: nobody has to be asked. How many they were."""
        settled = await self._settle_all(lambda: self._due_tasks.first({"settle": until}))
        if not 0 <= self._context.clock.now() - self._settled_at < _CALLS_SETTLE_S:
            self._settled_at = self._context.clock.now()
            settled += await self._settle_all(lambda: self._due_tasks.calls_to_settle(until))
        return settled

    async def _settle_all(self, read: Callable[[], Awaitable[list[Row[Any]]]]) -> int:
        settled = 0
        while True:
            rows = await read()
            for start in range(0, len(rows), _SETTLED_AT_ONCE):
                await self._suspects.settle(rows[start : start + _SETTLED_AT_ONCE])
            settled += len(rows)
            if len(rows) < self._due_tasks.batch:
                return settled

    async def _ask_all(self, inquiry: Inquiry, horizon: Horizon) -> None:
        """About every task within the horizon, batch after batch."""
        rows = await self._due_tasks.behind("", horizon)
        while await self._ask(inquiry, rows) and len(rows) == self._due_tasks.batch:
            rows = await self._due_tasks.behind(rows[-1].key, horizon)

    async def _ask_first(self, inquiry: Inquiry, horizon: Horizon) -> None:
        """About one batch. Of the queues in trouble only one has its turn, beside all others: otherwise their
        tasks, which stay due, could fill every batch.
        """
        troubled = sorted(self._troubled, key=self._troubled.__getitem__)
        rows = await self._due_tasks.first(horizon, not_in(troubled))
        if len(rows) >= self._due_tasks.batch:
            inquiry.due = await self._due_tasks.count(horizon, not_in(troubled))
        for queue_id in troubled:
            if more := await self._due_tasks.first(horizon, in_queue(queue_id)):
                rows += more
                break
        await self._ask(inquiry, rows)

    async def _ask(self, inquiry: Inquiry, due: Sequence[Row[Any]]) -> bool:
        """Ask about these tasks; in all queues where no more than a hook's claim says which it is in. False
        where nothing more can be asked in this pass.
        """
        inquiry.report.due += len(due)
        known = await self._queues.known()
        by_queue: dict[str, list[Row[Any]]] = defaultdict(list)
        for row in due:
            is_placed = row.queue_id and (is_proven(row) or row.queue_id in known)
            by_queue[row.queue_id if is_placed else ""].append(row)
        unplaced = by_queue.pop("", [])
        everywhere = [queue_id for queue_id in known if unplaced and known[queue_id].status != "gone"]
        inquiry.breadth = len(everywhere)
        work = {
            queue_id: by_queue[queue_id] + (unplaced if queue_id in everywhere else [])
            for queue_id in (*by_queue, *inquiry.stale, *everywhere)
        }
        goes_on = await self._ask_queues(inquiry, work)
        await inquiry.conclude(due, unplaced)
        return goes_on

    async def _ask_queues(self, inquiry: Inquiry, work: Mapping[str, Sequence[Row[Any]]]) -> bool:
        """In the order given, but what went wrong the last time last. False once the quota is used up, or the
        API seems down.
        """
        failed = inquiry.report.failed
        silent = int("queues" in failed)
        asked = [queue_id for queue_id in work if queue_id not in failed]
        for queue_id in sorted(asked, key=lambda queue_id: self._troubled.get(queue_id, 0.0)):
            try:
                await inquiry.ask(queue_id, work[queue_id])
            except QuotaExhaustedError as error:
                inquiry.report.fail("quota", error)
                return False
            except SchedulerError as error:
                inquiry.report.fail(queue_id, error)
                self._troubled[queue_id] = self._context.clock.now()
                silent = silent + 1 if isinstance(error, _NO_ANSWER) else 0
                if silent == _DOWN:
                    return False
            else:
                self._troubled.pop(queue_id, None)
                silent = 0
        return True
