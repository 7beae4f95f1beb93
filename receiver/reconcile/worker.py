"""The workers of one account: one proves how tasks ended, one fetches the records of their calls."""

import asyncio
import math
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Row

from receiver.domain.facts import QueueSaid, queue_fact
from receiver.domain.fields import call_key
from receiver.domain.fold import fold
from receiver.errors import QuotaExhaustedError, SchedulerError, SchedulerNotFoundError
from receiver.reconcile.desk import Desk, about, due_of_row
from receiver.reconcile.observe import call_missing, call_seen, queue_said, task_gone, task_seen, task_settled
from receiver.reconcile.policy import Asked
from receiver.reconcile.sweep import Sweeper
from receiver.workers import pause

_log = structlog.get_logger("receiver.reconcile")

_EVER = float("inf")
_CALL_ASKS = 7
"""So often a call's record is asked for, in vain, before it counts as missing."""

_AT_ONCE = 4
"""Single tasks asked for at the same time."""


@dataclass(slots=True)
class Report:
    """What one pass did. `failed`: what went wrong, by queue id (or `queues`, `quota`)."""

    due: int = 0
    swept: int = 0
    asked: int = 0
    gone: int = 0
    settled: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    blocked_until: float = 0.0

    def fail(self, where: str, error: SchedulerError) -> None:
        self.failed[where] = str(error)
        if isinstance(error, QuotaExhaustedError):
            self.blocked_until = error.reset_at


async def _passes(desk: Desk, once: Callable[[], Awaitable[Report]], stop: asyncio.Event) -> None:
    """Pass after pass, with growing pauses while they fail; none before a quota is renewed."""
    failures = 0
    while not stop.is_set():
        report = await once()
        if desk.client.quota.remaining is not None:
            desk.metrics.api_quota.labels(desk.account).set(desk.client.quota.remaining)
        failures = failures + 1 if report.failed else 0
        wait = desk.policy.after_trouble(failures)
        if report.failed:
            wait = max(wait, report.blocked_until - desk.clock.now())
            _log.warning(
                "reconciliation incomplete", account=desk.account, failed=report.failed, again_in_s=wait
            )
        await pause(desk.clock, wait, stop)


class TaskReconciler:
    """Asks about tasks that are due: a whole queue by page, or one by one where that is cheaper."""

    def __init__(self, desk: Desk) -> None:
        self.name = f"reconcile-tasks:{desk.account}"
        self._desk = desk
        self._asked = Asked(desk.policy)
        self._sweeper = Sweeper(desk)
        self._queues_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Pass after pass until `stop`."""
        await _passes(self._desk, self.once, stop)

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
        await self._look_at_queues(report, everything)
        await self._ask(report, due, await self._stale_queues(everything))

    async def _settle(self, rows: Sequence[Row[Any]]) -> int:
        now = self._desk.clock.now()
        await self._desk.record([task_settled(self._desk.account, now, about(row)) for row in rows])
        return len(rows)

    async def _look_at_queues(self, report: Report, everything: bool) -> None:
        """Record queues that are new, changed or gone."""
        now = self._desk.clock.now()
        if not everything and now - self._queues_at < self._desk.policy.sweep_every:
            return
        try:
            self._desk.spend()
            records = await self._desk.client.list_queues()
        except QuotaExhaustedError:
            raise
        except SchedulerError as error:
            report.fail("queues", error)
            return
        self._queues_at = now
        await self._note_queues([queue_said(record) for record in records])

    async def _note_queues(self, said: Iterable[QueueSaid]) -> None:
        now = self._desk.clock.now()
        known = await self._desk.queues()
        changed = [each for each in said if not _same_queue(known.get(each.queue_id), each)]
        await self._desk.record([queue_fact(self._desk.account, now, each) for each in changed])

    async def _stale_queues(self, everything: bool) -> set[str]:
        """Queues that were not read through for too long, or whose reading broke off."""
        now = self._desk.clock.now()
        queues = {queue_id for queue_id, row in (await self._desk.queues()).items() if row.status != "gone"}
        sweeps = await self._desk.sweeps()
        if everything:
            return queues
        fresh = {
            queue_id
            for queue_id, sweep in sweeps.items()
            if sweep.next_page == 1
            and sweep.completed_at
            and now - sweep.completed_at < self._desk.policy.sweep_every
        }
        return queues - fresh

    async def _ask(self, report: Report, due: Sequence[Row[Any]], stale: set[str]) -> None:
        by_queue: dict[str, list[Row[Any]]] = defaultdict(list)
        for row in due:
            by_queue[row.queue_id or ""].append(row)
        unplaced = by_queue.pop("", [])
        everywhere = set(await self._desk.queues()) if unplaced else set()
        sweeps = await self._desk.sweeps()
        for queue_id in sorted(stale | everywhere | set(by_queue)):
            rows = by_queue[queue_id] + unplaced
            tasks = sweeps[queue_id].tasks if queue_id in sweeps else 0
            by_page = queue_id in stale | everywhere or self._is_cheaper_by_page(rows, tasks)
            try:
                absent = await self._sweep(queue_id, rows, report) if by_page else rows
                await self._ask_each(queue_id, absent, report)
            except QuotaExhaustedError:
                raise
            except SchedulerError as error:
                report.fail(queue_id, error)
            self._note(by_queue[queue_id])
        self._note(unplaced)

    def _is_cheaper_by_page(self, rows: Sequence[Row[Any]], tasks: int) -> bool:
        pages = 1 + math.ceil(tasks / self._desk.client.account.per_page)
        return len(rows) > pages or any(not row.task_id for row in rows)

    def _note(self, rows: Iterable[Row[Any]]) -> None:
        now = self._desk.clock.now()
        for row in rows:
            self._asked.note(row.key, due_of_row(row), now)

    async def _sweep(self, queue_id: str, rows: Sequence[Row[Any]], report: Report) -> Sequence[Row[Any]]:
        """Sweep the queue; those of `rows` that it did not show."""
        seen = await self._sweeper.sweep(queue_id)
        if seen is None:
            await self._note_queues([QueueSaid(queue_id, "gone")])
            return rows
        report.swept += 1
        return [row for row in rows if (row.task_id or row.claimed_id) not in seen]

    async def _ask_each(self, queue_id: str, rows: Sequence[Row[Any]], report: Report) -> None:
        """A list may hide a task, so only a 404 of its own makes it gone."""
        limit = asyncio.Semaphore(_AT_ONCE)

        async def ask(row: Row[Any]) -> None:
            task_id = row.task_id or row.claimed_id
            if not task_id:
                return
            async with limit:
                self._desk.spend()
                report.asked += 1
                report.gone += await self._ask_one(queue_id, task_id, row)

        results = await asyncio.gather(*(ask(row) for row in rows), return_exceptions=True)
        for error in results:
            if isinstance(error, BaseException):
                raise error

    async def _ask_one(self, queue_id: str, task_id: str, row: Row[Any]) -> bool:
        """Whether the task is gone. A task id that only a hook claimed proves nothing by its absence."""
        account, now = self._desk.account, self._desk.clock.now()
        try:
            record = await self._desk.client.get_task(queue_id, task_id)
        except SchedulerNotFoundError:
            if row.task_id:
                await self._desk.record([task_gone(account, now, about(row))])
            return bool(row.task_id)
        await self._desk.record([task_seen(account, self._desk.clock.now(), record, self._desk.signer)])
        return False


def _same_queue(row: Row[Any] | None, said: QueueSaid) -> bool:
    if row is None:
        return False
    names = ("status", "name", "comment", "concurrent_task_limit")
    return all(getattr(row, name) == getattr(said, name) for name in names) or (
        said.status == "gone" and row.status == "gone"
    )


class CallReconciler:
    """Fetches call history for the calls of tasks that ended; one at a time, as the API wants it."""

    def __init__(self, desk: Desk) -> None:
        self.name = f"reconcile-calls:{desk.account}"
        self._stop = asyncio.Event()
        self._desk = desk
        self._asked = Asked(desk.policy)

    async def run(self, stop: asyncio.Event) -> None:
        """Pass after pass until `stop`."""
        self._stop = stop
        await _passes(self._desk, self.once, stop)

    async def once(self, everything: bool = False) -> Report:
        """One pass over all calls that are wanting."""
        report = Report()
        now = self._desk.clock.now()
        rows = await self._desk.due({"call": _EVER if everything else self._desk.policy.horizon(now)["call"]})
        self._asked.forget({row.key for row in rows})
        due = [row for row in rows if everything or not self._asked.is_waiting(row.key, due_of_row(row), now)]
        report.due = len(due)
        facts = await self._desk.facts_of(row.key for row in due)
        for row in due:
            if self._stop.is_set():
                break
            times = self._asked.note(row.key, due_of_row(row), self._desk.clock.now())
            try:
                await self._fetch(row, fold(facts[row.key]).wanting, times)
            except SchedulerError as error:
                report.fail(row.queue_id or "?", error)
                break
            report.asked += 1
        return report

    async def _fetch(self, row: Row[Any], calls: Sequence[str], times: int) -> None:
        account = self._desk.account
        found = []
        for call in calls:
            self._desk.spend()
            try:
                record = await self._desk.client.get_call(call)
            except SchedulerNotFoundError:
                if times >= _CALL_ASKS:
                    found.append(
                        call_missing(account, self._desk.clock.now(), call_key(call) or call, about(row))
                    )
                continue
            found.append(call_seen(account, self._desk.clock.now(), record, about(row)))
        await self._desk.record(found)
