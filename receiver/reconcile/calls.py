"""The worker that fetches the records of the calls of one account."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import Row

from receiver.domain.fields import call_key
from receiver.domain.fold import fold
from receiver.errors import (
    SchedulerError,
    SchedulerNotFoundError,
    SchedulerRefusedError,
    SchedulerUnreachableError,
)
from receiver.observability.logs import Seldom
from receiver.observability.spans import current_task
from receiver.observability.trace_ids import TaskName
from receiver.reconcile.context import AccountContext, about, is_nameable
from receiver.reconcile.due_tasks import DueTasks, Horizon
from receiver.reconcile.facts_from_api import call_missing, call_seen
from receiver.reconcile.loop import Report, passes
from receiver.scheduler.wire import CallHistoryRecord

_log = structlog.get_logger("receiver.reconcile")
_seldom = Seldom(_log, every_s=3600.0)

_CALL_ASKS = 7
"""Number of times that a call's record is asked for in vain before it counts as missing."""

_LONG_S = 86_400.0
"""Seconds without any answer for a task's calls after which their records count as missing."""

_REFUSED = 3
"""Calls in a row that were refused to the end: from then on one refusal of a call is enough."""


class CallReconciler:
    """Fetches call history for the calls of tasks that ended; one at a time, as the API wants it.

    `_in_vain`: the key of a task and of one of its calls → how often the API said that it has no record, or
    refused it. `_refused`: calls given up in a row because they were refused.
    """

    def __init__(self, context: AccountContext) -> None:
        self.name = f"reconcile-calls:{context.account}"
        self._stop = asyncio.Event()
        self._context = context
        self._due_tasks = DueTasks(context)
        self._in_vain: Counter[tuple[str, str]] = Counter()
        self._refused = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Pass after pass until `stop`."""
        self._stop = stop
        await passes(self._context, self.once, stop)

    async def once(self, everything: bool = False) -> Report:
        """One pass over the first calls that are wanting; with `everything` over all of them."""
        report = Report()
        now = self._context.clock.now()
        horizon: Horizon = {"call": self._context.policy.horizon(now, everything)["call"]}
        rows = await (self._due_tasks.behind("", horizon) if everything else self._due_tasks.first(horizon))
        while await self._ask(report, rows) and everything and len(rows) == self._due_tasks.batch:
            rows = await self._due_tasks.behind(rows[-1].key, horizon)
        return report

    async def _ask(self, report: Report, due: Sequence[Row[Any]]) -> bool:
        """Ask for the calls of these tasks. False where nothing more is to be asked in this pass."""
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
        await self._due_tasks.note(tried)
        return not report.failed and not self._stop.is_set()

    async def _fetch(self, row: Row[Any]) -> None:
        """Ask for the records of the task's calls that have not been heard of by now. A call that cannot be
        answered for keeps no other of the task from its turn.
        """
        facts = (await self._context.facts_of([row.key])).get(row.key)
        failure: SchedulerUnreachableError | None = None
        for call in fold(facts).missing_calls if facts else ():
            try:
                await self._fetch_call(row, call)
            except SchedulerUnreachableError as error:
                failure = error
        if failure:
            raise failure

    async def _fetch_call(self, row: Row[Any], call: str) -> None:
        record, is_known = await self._answer(row, call, call_key(call) or call)
        if not is_known:
            return
        account, now = self._context.account, self._context.clock.now()
        fact = (
            call_seen(account, now, record, about(row))
            if record
            else call_missing(account, now, call_key(call) or call, about(row))
        )
        await self._context.record([fact])

    async def _answer(self, row: Row[Any], call: str, key: str) -> tuple[CallHistoryRecord | None, bool]:
        """The call's record, or None; and whether that is final. Raises SchedulerError where the API does not
        answer, but not for ever.
        """
        if not is_nameable(call):
            return None, True
        self._context.require_quota()
        try:
            with current_task(TaskName(self._context.account, *about(row))):
                record = await self._context.client.get_call(call)
        except SchedulerNotFoundError:
            return None, self._is_given_up((row.key, key), _CALL_ASKS)
        except SchedulerRefusedError as error:
            return None, self._is_refused((row.key, key), error)
        except SchedulerUnreachableError as error:
            if row.asks < _CALL_ASKS or self._context.clock.now() - row.due_at < _LONG_S:
                raise
            self._tell("call history does not answer for a day; the task's legs stay unknown", error)
            return None, True
        self._refused = 0
        self._in_vain.pop((row.key, key), None)
        return record, True

    def _is_refused(self, name: tuple[str, str], error: SchedulerRefusedError) -> bool:
        """Note a refusal. True where it is final."""
        self._tell("call history is refused; give the application the right to read it", error)
        if not self._is_given_up(name, 1 if self._refused >= _REFUSED else _CALL_ASKS):
            return False
        self._refused += 1
        return True

    def _is_given_up(self, name: tuple[str, str], asks: int) -> bool:
        """Note that a call was asked for in vain. True the last time."""
        self._in_vain[name] += 1
        if self._in_vain[name] < asks:
            return False
        del self._in_vain[name]
        return True

    def _tell(self, event: str, error: SchedulerError) -> None:
        _seldom.warning(event, account=self._context.account, problem=str(error))
