"""The worker that fetches the records of the calls of one account."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import Row

from receiver.domain.facts import CallRecord, observation
from receiver.domain.fields import call_key
from receiver.domain.fold import fold
from receiver.errors import (
    SchedulerError,
    SchedulerNotFoundError,
    SchedulerRefusedError,
    SchedulerUnreachableError,
)
from receiver.ledger.fact_sql import facts_of
from receiver.observability.logs import RateLimitedLog
from receiver.observability.spans import current_task
from receiver.observability.trace_ids import TaskName
from receiver.reconcile.account_context import AccountContext, DueTasks, Horizon, about, is_nameable
from receiver.reconcile.facts_from_api import call_seen
from receiver.reconcile.loop import PassLoop
from receiver.reconcile.memory import PassReport
from receiver.scheduler.wire import CallHistoryRecord

_limited_log = RateLimitedLog(structlog.get_logger("receiver.reconcile"), every_s=3600.0)

_MAX_ASKS = 7
"""Requests in vain after which the record of a call counts as missing."""

_LONG_S = 86_400.0
"""Seconds without any answer for a task's calls after which their records count as missing."""

_REFUSED = 3
"""Calls in a row that were refused to the end: from then on one refusal of a call is enough."""


class CallReconciler(PassLoop):
    """Fetches the call history of tasks that ended; one call at a time, as the API wants it.

    `_in_vain`: (key of a task, key of a call) → requests that found no record or were refused. `_refused`:
    calls given up in a row because they were refused. `_refusal`: the last refusal of this pass.
    """

    def __init__(self, context: AccountContext) -> None:
        super().__init__("calls", context)
        self._due_tasks = DueTasks(context)
        self._in_vain: Counter[tuple[str, str]] = Counter()
        self._refused = 0
        self._refusal: str | None = None

    async def once(self, everything: bool = False) -> PassReport:
        """Make one pass over the first tasks with missing calls; with `everything` over all of them."""
        report = PassReport()
        now = self._context.clock.now()
        horizon: Horizon = {"call": self._context.policy.horizon(now, everything)["call"]}
        rows = await (self._due_tasks.behind("", horizon) if everything else self._due_tasks.first(horizon))
        while await self._ask(report, rows) and everything and len(rows) == self._due_tasks.batch:
            rows = await self._due_tasks.behind(rows[-1].key, horizon)
        return report

    async def _ask(self, report: PassReport, due: Sequence[Row[Any]]) -> bool:
        """Ask for the calls of these tasks. Return False if the pass must end."""
        tried = []
        report.due += len(due)
        for row in due:
            if self._stop.is_set():
                break
            try:
                self._context.require_quota()
                tried.append(row)
                await self._fetch(row)
            except SchedulerError as error:
                report.fail(row.queue_id or "?", error)
                break
        report.asked += len(tried)
        report.refusal, self._refusal = report.refusal or self._refusal, None
        await self._due_tasks.note(tried)
        return not report.failed and not self._stop.is_set()

    async def _fetch(self, row: Row[Any]) -> None:
        """Fetch all missing calls of a task. A call without an answer does not hold up the others."""
        context = self._context
        found = await context.store.read(lambda connection: facts_of(connection, context.account, [row.key]))
        failure: SchedulerUnreachableError | None = None
        for call in fold(found[row.key]).missing_calls if row.key in found else ():
            try:
                await self._fetch_call(row, call)
            except SchedulerUnreachableError as error:
                failure = error
        if failure:
            raise failure

    async def _fetch_call(self, row: Row[Any], call: str) -> None:
        """Record a call, or that its record is missing. Raises SchedulerError without an answer."""
        context, key = self._context, call_key(call) or call
        record: CallHistoryRecord | None = None
        if is_nameable(call):
            context.require_quota()
            try:
                with current_task(TaskName(context.account, *about(row))):
                    record = await context.client.get_call(call)
                self._refused = 0
                self._in_vain.pop((row.key, key), None)
            except (SchedulerNotFoundError, SchedulerRefusedError, SchedulerUnreachableError) as error:
                if not self._is_final(row, key, error):
                    return
        now = context.clock.now()
        fact = (
            call_seen(context.account, now, record, about(row))
            if record
            else observation(context.account, now, CallRecord(call=key, found=False), about(row))
        )
        await context.ledger.record([fact])

    def _is_final(self, row: Row[Any], key: str, error: SchedulerError) -> bool:
        """Return whether the record counts as missing now. Raises an API error that may pass."""
        if isinstance(error, SchedulerUnreachableError):
            if row.asks < _MAX_ASKS or self._context.clock.now() - row.due_at < _LONG_S:
                raise error
            self._warn("call history does not answer for a day; the task's legs stay unknown", error)
            return True
        is_refused = isinstance(error, SchedulerRefusedError)
        if is_refused:
            self._refusal = str(error)
            self._warn("call history is refused; give the application the right to read it", error)
        self._in_vain[row.key, key] += 1
        if self._in_vain[row.key, key] < (1 if is_refused and self._refused >= _REFUSED else _MAX_ASKS):
            return False
        del self._in_vain[row.key, key]
        self._refused += is_refused
        return True

    def _warn(self, event: str, error: SchedulerError) -> None:
        _limited_log.warning(event, account=self._context.account, problem=str(error))
