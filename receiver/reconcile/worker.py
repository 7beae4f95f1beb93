"""The workers of one account: one proves how tasks ended, one fetches the records of their calls."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from receiver.domain.fields import call_key
from receiver.domain.fold import fold
from receiver.errors import (
    QuotaExhaustedError,
    SchedulerAuthError,
    SchedulerError,
    SchedulerNotFoundError,
    SchedulerUnreachableError,
)
from receiver.reconcile.desk import Desk, about, due_of_row, is_nameable, is_proven
from receiver.reconcile.inquiry import Inquiry
from receiver.reconcile.observe import call_missing, call_seen, task_settled
from receiver.reconcile.passes import Report, passes, ready
from receiver.reconcile.policy import Asked
from receiver.reconcile.queues import QueueWatch
from receiver.reconcile.sweep import Sweeper

_CALL_ASKS = 7
"""So often a call's record is asked for, in vain, before it counts as missing."""

_SETTLED_AT_ONCE = 200
"""Tasks settled in one transaction: hooks wait for it."""

_DOWN = 2
"""So many questions in a row without an answer, and the API counts as down for this pass."""

_NO_ANSWER = (SchedulerUnreachableError, SchedulerAuthError)


class TaskReconciler:
    """Asks about tasks that are due, soonest first, and reads every queue through now and then."""

    def __init__(self, desk: Desk) -> None:
        self.name = f"reconcile-tasks:{desk.account}"
        self._desk = desk
        self._asked = Asked(desk.policy)
        self._queues = QueueWatch(desk)
        self._sweeper = Sweeper(desk)
        self._troubled: dict[str, float] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Pass after pass until `stop`."""
        await passes(self._desk, self.once, stop)

    async def once(self, everything: bool = False) -> Report:
        """One pass over what is due; with `everything` over all that is not settled, due or not."""
        report = Report()
        try:
            await self._pass(report, everything)
        except QuotaExhaustedError as error:
            report.fail("quota", error)
        if not report.failed:
            self._desk.metrics.last_sweep.labels(self._desk.account).set(self._desk.clock.now())
        return report

    async def _pass(self, report: Report, everything: bool) -> None:
        now = self._desk.clock.now()
        horizon = self._desk.policy.horizon(now, everything)
        # A task that only its hooks know is looked for while it runs: lists may hide it once it has finished.
        rows = await self._desk.due(horizon | {"progress": horizon["confirm"]})
        rows = [
            row
            for row in rows
            if row.due_for != "progress" or row.due_at <= horizon["progress"] or not row.task_id
        ]
        report.settled = await self._settle([row for row in rows if row.due_for == "settle"])
        waiting = [row for row in rows if row.due_for in ("progress", "confirm")]
        due = waiting if everything else ready(self._asked, waiting, now)
        report.due = len(due)
        try:
            await self._queues.look(everything)
        except QuotaExhaustedError:
            raise
        except SchedulerError as error:
            report.fail("queues", error)
        await self._ask(report, due, everything)

    async def _settle(self, rows: Sequence[Row[Any]]) -> int:
        now = self._desk.clock.now()
        for start in range(0, len(rows), _SETTLED_AT_ONCE):
            some = rows[start : start + _SETTLED_AT_ONCE]
            await self._desk.record([task_settled(self._desk.account, now, about(row)) for row in some])
        return len(rows)

    async def _ask(self, report: Report, due: Sequence[Row[Any]], everything: bool) -> None:
        """Ask about what is due; in all queues where no more than a hook's claim says which it is in."""
        known = await self._queues.known()
        by_queue: dict[str, list[Row[Any]]] = defaultdict(list)
        for row in due:
            is_placed = row.queue_id and (is_proven(row) or row.queue_id in known)
            by_queue[row.queue_id if is_placed else ""].append(row)
        unplaced = by_queue.pop("", [])
        everywhere = [queue_id for queue_id in known if unplaced and known[queue_id].status != "gone"]
        stale = await self._queues.stale(everything)
        work = {
            queue_id: by_queue[queue_id] + (unplaced if queue_id in everywhere else [])
            for queue_id in (*by_queue, *stale, *everywhere)
        }
        sweeps, breadth = await self._desk.sweeps(), len(everywhere)
        inquiry = Inquiry(self._desk, self._queues, self._sweeper, report, sweeps, breadth)
        try:
            await self._ask_queues(inquiry, work, stale)
            await inquiry.conclude(unplaced)
        finally:
            for row in inquiry.tried.values():
                self._asked.note(row.key, due_of_row(row), self._desk.clock.now())

    async def _ask_queues(
        self, inquiry: Inquiry, work: Mapping[str, Sequence[Row[Any]]], stale: Collection[str]
    ) -> None:
        """In the order given, but what went wrong the last time last; once the API seems down no more."""
        silent = int("queues" in inquiry.report.failed)
        for queue_id in sorted(work, key=lambda queue_id: self._troubled.get(queue_id, 0.0)):
            try:
                await inquiry.ask(queue_id, work[queue_id], whole=queue_id in stale)
            except QuotaExhaustedError:
                raise
            except SchedulerError as error:
                inquiry.report.fail(queue_id, error)
                self._troubled[queue_id] = self._desk.clock.now()
                silent = silent + 1 if isinstance(error, _NO_ANSWER) else 0
                if silent == _DOWN:
                    return
            else:
                self._troubled.pop(queue_id, None)
                silent = 0


class CallReconciler:
    """Fetches call history for the calls of tasks that ended; one at a time, as the API wants it."""

    def __init__(self, desk: Desk) -> None:
        self.name = f"reconcile-calls:{desk.account}"
        self._stop = asyncio.Event()
        self._desk = desk
        self._asked = Asked(desk.policy)
        self._not_found: Counter[str] = Counter()

    async def run(self, stop: asyncio.Event) -> None:
        """Pass after pass until `stop`."""
        self._stop = stop
        await passes(self._desk, self.once, stop)

    async def once(self, everything: bool = False) -> Report:
        """One pass over all calls that are wanting."""
        report = Report()
        now = self._desk.clock.now()
        rows = await self._desk.due({"call": self._desk.policy.horizon(now, everything)["call"]})
        due = rows if everything else ready(self._asked, rows, now)
        report.due = len(due)
        for row in due:
            if self._stop.is_set():
                break
            try:
                self._desk.spend()
                self._asked.note(row.key, due_of_row(row), self._desk.clock.now())
                report.asked += 1
                await self._fetch(row)
            except SchedulerError as error:
                report.fail(row.queue_id or "?", error)
                break
        return report

    async def _fetch(self, row: Row[Any]) -> None:
        """Ask for the records of the task's calls that have not been heard of by now."""
        facts = (await self._desk.facts_of([row.key])).get(row.key)
        for call in fold(facts).wanting if facts else ():
            await self._fetch_call(row, call)

    async def _fetch_call(self, row: Row[Any], call: str) -> None:
        account, key = self._desk.account, call_key(call) or call
        try:
            self._desk.spend()
            record = await self._desk.client.get_call(call) if is_nameable(call) else None
        except SchedulerNotFoundError:
            self._not_found[key] += 1
            if self._not_found[key] < _CALL_ASKS:
                return
            record = None
        del self._not_found[key]
        now = self._desk.clock.now()
        fact = (
            call_seen(account, now, record, about(row))
            if record
            else call_missing(account, now, key, about(row))
        )
        await self._desk.record([fact])
