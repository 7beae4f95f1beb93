"""The workers of one account: one proves how tasks ended, one fetches the records of their calls."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from receiver.domain.fields import call_key
from receiver.domain.fold import fold
from receiver.domain.trace import TaskName
from receiver.errors import (
    QuotaExhaustedError,
    SchedulerAuthError,
    SchedulerError,
    SchedulerNotFoundError,
    SchedulerUnreachableError,
)
from receiver.reconcile.agenda import Agenda, Horizon
from receiver.reconcile.desk import Desk, about, is_nameable, is_proven
from receiver.reconcile.inquiry import Inquiry
from receiver.reconcile.observe import call_missing, call_seen
from receiver.reconcile.passes import Report, passes
from receiver.reconcile.queues import QueueWatch
from receiver.reconcile.suspects import Suspects
from receiver.reconcile.sweep import Sweeper
from receiver.store.due import in_queue, not_in
from receiver.traces import working_on

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
        self._agenda = Agenda(desk)
        self._queues = QueueWatch(desk)
        self._sweeper = Sweeper(desk)
        self._suspects = Suspects(desk)
        self._troubled: dict[str, float] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Pass after pass until `stop`."""
        await passes(self._desk, self.once, stop)

    async def once(self, everything: bool = False) -> Report:
        """One pass over the first tasks that are due; with `everything` over all that is not settled, due or
        not.
        """
        report = Report()
        try:
            await self._pass(report, everything)
        except QuotaExhaustedError as error:
            report.fail("quota", error)
        if not report.failed:
            self._desk.metrics.last_sweep.labels(self._desk.account).set(self._desk.clock.now())
        return report

    async def _pass(self, report: Report, everything: bool) -> None:
        horizon = self._desk.policy.horizon(self._desk.clock.now(), everything)
        waiting: Horizon = {purpose: horizon[purpose] for purpose in ("find", "progress", "confirm")}
        report.settled = await self._settle({"settle": horizon["settle"]})
        await self._suspects.end()
        try:
            await self._queues.look(everything)
        except QuotaExhaustedError:
            raise
        except SchedulerError as error:
            report.fail("queues", error)
        inquiry = Inquiry(
            self._desk,
            self._queues,
            self._sweeper,
            report,
            sweeps=await self._desk.sweeps(),
            stale=await self._queues.stale(everything),
        )
        if everything:
            await self._ask_all(inquiry, waiting)
        else:
            await self._ask_first(inquiry, waiting)

    async def _settle(self, horizon: Horizon) -> int:
        """All whose time has come: nobody has to be asked. How many they were."""
        settled = 0
        while True:
            rows = await self._agenda.first(horizon)
            for start in range(0, len(rows), _SETTLED_AT_ONCE):
                await self._suspects.settle(rows[start : start + _SETTLED_AT_ONCE])
            settled += len(rows)
            if len(rows) < self._agenda.batch:
                return settled

    async def _ask_all(self, inquiry: Inquiry, horizon: Horizon) -> None:
        """About every task within the horizon, batch after batch."""
        rows = await self._agenda.behind("", horizon)
        while await self._ask(inquiry, rows) and len(rows) == self._agenda.batch:
            rows = await self._agenda.behind(rows[-1].key, horizon)

    async def _ask_first(self, inquiry: Inquiry, horizon: Horizon) -> None:
        """About one batch. Of the queues in trouble only one has its turn, beside all others: otherwise their
        tasks, which stay due, could fill every batch.
        """
        troubled = sorted(self._troubled, key=self._troubled.__getitem__)
        rows = await self._agenda.first(horizon, not_in(troubled))
        if len(rows) >= self._agenda.batch:
            inquiry.due = await self._agenda.count(horizon, not_in(troubled))
        for queue_id in troubled:
            if more := await self._agenda.first(horizon, in_queue(queue_id)):
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
        await inquiry.conclude(unplaced)
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
                self._troubled[queue_id] = self._desk.clock.now()
                silent = silent + 1 if isinstance(error, _NO_ANSWER) else 0
                if silent == _DOWN:
                    return False
            else:
                self._troubled.pop(queue_id, None)
                silent = 0
        return True


class CallReconciler:
    """Fetches call history for the calls of tasks that ended; one at a time, as the API wants it."""

    def __init__(self, desk: Desk) -> None:
        self.name = f"reconcile-calls:{desk.account}"
        self._stop = asyncio.Event()
        self._desk = desk
        self._agenda = Agenda(desk)
        self._not_found: Counter[str] = Counter()

    async def run(self, stop: asyncio.Event) -> None:
        """Pass after pass until `stop`."""
        self._stop = stop
        await passes(self._desk, self.once, stop)

    async def once(self, everything: bool = False) -> Report:
        """One pass over the first calls that are wanting; with `everything` over all of them."""
        report = Report()
        now = self._desk.clock.now()
        horizon: Horizon = {"call": self._desk.policy.horizon(now, everything)["call"]}
        rows = await (self._agenda.behind("", horizon) if everything else self._agenda.first(horizon))
        while await self._ask(report, rows) and everything and len(rows) == self._agenda.batch:
            rows = await self._agenda.behind(rows[-1].key, horizon)
        return report

    async def _ask(self, report: Report, due: Sequence[Row[Any]]) -> bool:
        """Ask for the calls of these tasks. False where nothing more is to be asked in this pass."""
        tried = []
        report.due += len(due)
        for row in due:
            if self._stop.is_set():
                break
            try:
                self._desk.spend()
                tried.append(row)
                await self._fetch(row)
            except SchedulerError as error:
                report.fail(row.queue_id or "?", error)
                break
        report.asked += len(tried)
        await self._agenda.note(tried)
        return not report.failed and not self._stop.is_set()

    async def _fetch(self, row: Row[Any]) -> None:
        """Ask for the records of the task's calls that have not been heard of by now."""
        facts = (await self._desk.facts_of([row.key])).get(row.key)
        for call in fold(facts).wanting if facts else ():
            await self._fetch_call(row, call)

    async def _fetch_call(self, row: Row[Any], call: str) -> None:
        account, key = self._desk.account, call_key(call) or call
        try:
            self._desk.spend()
            with working_on(TaskName(account, *about(row))):
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
