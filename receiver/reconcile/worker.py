"""The workers of one account: one proves how tasks ended, one fetches the records of their calls."""

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
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
from receiver.reconcile.desk import Desk, about, can_be_asked_for, due_of_row, is_proven
from receiver.reconcile.observe import call_missing, call_seen, task_gone, task_seen, task_settled
from receiver.reconcile.passes import Report, passes
from receiver.reconcile.policy import Asked
from receiver.reconcile.queues import QueueWatch
from receiver.reconcile.sweep import Sweeper

_EVER = float("inf")

_CALL_ASKS = 7
"""So often a call's record is asked for, in vain, before it counts as missing."""

_AT_ONCE = 4
"""Single tasks asked for at the same time."""

_SETTLED_AT_ONCE = 200
"""Tasks settled in one transaction: hooks wait for it."""

_DOWN = 2
"""So many questions in a row without an answer, and the API counts as down for this pass."""

_NO_ANSWER = (SchedulerUnreachableError, SchedulerAuthError)


class TaskReconciler:
    """Asks about tasks that are due: a whole queue by page, or one by one where that is cheaper."""

    def __init__(self, desk: Desk) -> None:
        self.name = f"reconcile-tasks:{desk.account}"
        self._desk = desk
        self._asked = Asked(desk.policy)
        self._sweeper = Sweeper(desk)
        self._queues = QueueWatch(desk)
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
        horizon = self._desk.policy.horizon(now)
        rows = await self._desk.due(horizon | ({"progress": _EVER, "confirm": _EVER} if everything else {}))
        report.settled = await self._settle([row for row in rows if row.due_for == "settle"])
        waiting = [row for row in rows if row.due_for in ("progress", "confirm")]
        self._asked.forget({row.key for row in waiting})
        due = [
            row for row in waiting if everything or not self._asked.is_waiting(row.key, due_of_row(row), now)
        ]
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
        """Queue by queue: where a task is due soonest first, where it went wrong the last time last."""
        known = await self._queues.known()
        by_queue: dict[str | None, list[Row[Any]]] = defaultdict(list)
        for row in due:
            by_queue[row.queue_id if is_proven(row) or row.queue_id in known else None].append(row)
        unplaced = by_queue.pop(None, [])
...
