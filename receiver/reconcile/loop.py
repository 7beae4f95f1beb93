"""The workers of reconciliation: pass after pass, and what a pass over the tasks of an account does."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Row

from receiver.errors import QuotaExhaustedError, SchedulerError
from receiver.reconcile import due_sql
from receiver.reconcile.account_context import AccountContext
from receiver.reconcile.conditions import AccountConditions
from receiver.reconcile.memory import LASTS_S, PassReport
from receiver.reconcile.reconcile_pass import PassMemory, ReconcilePass
from receiver.reconcile.suspects import Suspects
from receiver.runtime.workers import pause

_log = structlog.get_logger("receiver.reconcile")

_SETTLED_AT_ONCE = 200
"""Tasks settled in one transaction: hooks wait for it."""

_CALLS_SETTLE_S = 15.0
"""Seconds between looks for tasks that settle although the record of a call is missing."""


_SAVE_EVERY_S = 30.0
"""Seconds between two writes of a pass without news."""


class PassLoop:
    """A worker that makes pass after pass, with growing pauses while they fail."""

    def __init__(self, part: str, context: AccountContext) -> None:
        self.name = f"reconcile-{part}:{context.account}"
        self._part = part
        self._context = context
        self._saved: dict[str, Any] = {}
        self._conditions = AccountConditions(context, part)
        self._stop = asyncio.Event()

    async def once(self, everything: bool = False) -> PassReport:
        """Make one pass over the first due tasks; with `everything` over all tasks."""
        raise NotImplementedError

    async def run(self, stop: asyncio.Event) -> None:
        """Make passes until `stop`, none before a used-up quota is renewed."""
        self._stop = stop
        context, failures = self._context, 0
        while not stop.is_set():
            report = await self.once()
            if context.client.quota.remaining is not None:
                context.metrics.api_quota.labels(context.account).set(context.client.quota.remaining)
            if context.client.clock_offset is not None:
                context.metrics.api_clock.labels(context.account).set(context.client.clock_offset)
            await self._save(report)
            await self._conditions.note(report)
            failures = failures + 1 if report.failed else 0
            wait = context.policy.after_trouble(failures)
            if report.failed:
                wait = max(wait, report.blocked_until - context.clock.now())
                _log.warning(
                    "reconciliation incomplete",
                    account=context.account,
                    failed=report.failed,
                    again_in_s=wait,
                )
            await pause(context.clock, wait, stop)

    async def _save(self, report: PassReport) -> None:
        """Store the state after a pass, for people: if its problems have changed, and now and then."""
        context, quota, before = self._context, self._context.client.quota, self._saved
        now = context.clock.now()
        is_same = before.get("problems") == report.failed
        if is_same and 0 <= now - before["at"] < _SAVE_EVERY_S:
            return
        self._saved = {
            "account": context.account,
            "part": self._part,
            "at": now,
            "problems": dict(report.failed),
            "failing_since": (before.get("failing_since") or now) if report.failed else None,
            "blocked_until": report.blocked_until or None,
            "quota_limit": quota.limit,
            "quota_remaining": quota.remaining,
            "quota_reset_at": quota.reset_at,
        }
        await context.store.write(partial(due_sql.put_pass, row=self._saved))


class TaskReconciler(PassLoop):
    """Asks about due tasks, soonest first, and reads every queue through now and then."""

    def __init__(self, context: AccountContext) -> None:
        super().__init__("tasks", context)
        self._memory = PassMemory(context)
        self._suspects = Suspects(context)
        self._settled_at = 0.0

    async def once(self, everything: bool = False) -> PassReport:
        """Make one pass over the first due tasks; with `everything` over all that are not settled."""
        report = PassReport()
        try:
            await self._pass(report, everything)
            for _ in range(2 if everything else 0):
                # One 404 is not believed, and no further pass may come. First of a queue, then of its tasks.
                if self._memory.absences.are_pending or self._memory.sweeper.absences_are_pending:
                    await self._context.clock.sleep(LASTS_S)
                    report.failed.clear()
                    await self._pass(report, everything)
        except QuotaExhaustedError as error:
            report.fail("quota", error)
        if not report.failed:
            self._context.metrics.last_sweep.labels(self._context.account).set(self._context.clock.now())
        return report

    async def _pass(self, report: PassReport, everything: bool) -> None:
        context, memory = self._context, self._memory
        horizon = context.policy.horizon(context.clock.now(), everything)
        report.settled += await self._settle(horizon.pop("settle"))
        await self._suspects.end()
        try:
            await memory.queues.look(everything)
        except QuotaExhaustedError:
            raise
        except SchedulerError as error:
            report.fail("queues", error)
        sweeps = await context.sweeps()
        work = ReconcilePass(memory, report, sweeps, await memory.queues.stale(sweeps, everything))
        del horizon["call"]
        await (work.ask_all(horizon) if everything else work.ask_first(horizon))

    async def _settle(self, until: float) -> int:
        """Settle all tasks that ended before this moment, without a request. Return how many."""
        due_tasks = self._memory.due_tasks
        settled = await self._settle_all(lambda: due_tasks.first({"settle": until}))
        if not 0 <= self._context.clock.now() - self._settled_at < _CALLS_SETTLE_S:
            self._settled_at = self._context.clock.now()
            settled += await self._settle_all(lambda: due_tasks.calls_to_settle(until))
        return settled

    async def _settle_all(self, read: Callable[[], Awaitable[list[Row[Any]]]]) -> int:
        settled = 0
        while True:
            rows = await read()
            for start in range(0, len(rows), _SETTLED_AT_ONCE):
                await self._suspects.settle(rows[start : start + _SETTLED_AT_ONCE])
            settled += len(rows)
            if len(rows) < self._memory.due_tasks.batch:
                return settled
