"""ListProgress a queue through, page by page. A sweep that failed half-way continues where it stopped."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Row

from receiver.errors import SchedulerError, SchedulerNotFoundError, SchedulerUnreachableError
from receiver.observability.logs import RateLimitedLog
from receiver.reconcile.account_context import AccountContext, DueTasks
from receiver.reconcile.memory import Absences, Unlinked
from receiver.scheduler.listing import MAX_PAGES, ListProgress

_log = structlog.get_logger("receiver.reconcile")
_limited_log = RateLimitedLog(_log)

_SHOWN = 5
"""Records named in one log line."""

_SWEEPS, _APART_S = 3, 300.0
"""Complete sweeps that must not show a task before it counts as deleted, and seconds between their begins."""


@dataclass(slots=True)
class _Progress:
    """What the pages of one sweep have shown so far.

    `page`: the next to read. `bare`: ids of records without URLs, whose refs are not known. `broken`: names
    of unreadable records. `is_from_start`: no page was read before a restart, of which nothing is known.
    """

    page: int
    is_from_start: bool
    pages: ListProgress = field(default_factory=ListProgress)
    bare: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def proves_absence(self) -> bool:
        """Whether a task that was not shown does not exist, as far as a list can prove it."""
        return self.is_from_start and not self.bare and not self.broken and self.pages.proves_absence


class Sweeper:
    """Sweeps one account's queues. An interrupted sweep leaves its page in the store, its ids in memory."""

    def __init__(self, context: AccountContext, unlinked: Unlinked) -> None:
        self._context = context
        self._unlinked = unlinked
        self._due_tasks = DueTasks(context)
        self._absences = Absences(context.clock)
        self._progress: dict[str, _Progress] = {}
        self._complete: dict[str, deque[float]] = {}

    async def sweep(self, queue_id: str, last: Row[Any] | None) -> set[str] | None:
        """Record every task of the queue and return their ids; None if the queue is gone.

        `last`: the queue's last sweep. Raises SchedulerError if it breaks off. After a restart the ids of
        earlier pages are not known; absence is only proven by asking for the task itself.
        """
        context, first = self._context, last.next_page if last else 1
        if first == 1 or queue_id not in self._progress:
            self._progress[queue_id] = _Progress(first, is_from_start=first == 1)
        progress = self._progress[queue_id]
        progress.page = first
        tasks_before = last.tasks - len(progress.pages.seen) if last and first > 1 else 0
        row = {
            "account": context.account,
            "queue_id": queue_id,
            "started_at": last.started_at if last and first > 1 else context.clock.now(),
            "completed_at": last.completed_at if last else None,
        }
        try:
            await self._read_pages(queue_id, progress)
        except SchedulerNotFoundError as error:
            del self._progress[queue_id]
            if self._absences.lasts(queue_id):
                return None
            raise SchedulerNotFoundError(f"{error}; asked again before it is believed") from None
        except SchedulerError as error:
            context.metrics.sweeps.labels("failed").inc()
            row |= {"next_page": progress.page, "error": str(error)}
            await context.save_sweep(row | {"tasks": tasks_before + len(progress.pages.seen)})
            raise
        row |= {"completed_at": context.clock.now(), "tasks": tasks_before + len(progress.pages.seen)}
        await self._end(row, self._progress.pop(queue_id))
        return progress.pages.seen

    def unlisted_since(self, queue_ids: Iterable[str]) -> float:
        """Return the moment since which several complete sweeps of each of these queues have shown all tasks.

        A task whose last news is older, and that is in none of them, is deleted. 0 if there were too few.
        """
        begins = [self._complete.get(queue_id) for queue_id in queue_ids]
        return min((known[0] if known and len(known) == _SWEEPS else 0.0 for known in begins), default=0.0)

    @property
    def absences_are_pending(self) -> bool:
        """Whether a queue answered 404 too short a time ago to be believed."""
        return self._absences.are_pending

    async def _end(self, row: dict[str, Any], progress: _Progress) -> None:
        """Save a sweep that has read every page, if not every record."""
        context, queue_id = self._context, row["queue_id"]
        context.metrics.sweeps.labels("partial" if progress.broken else "complete").inc()
        error = f"complete but for {len(progress.broken)}" if progress.broken else None
        self._unlinked.note_listed(queue_id, progress.bare)
        if progress.proves_absence:
            self._note_complete(queue_id, row["started_at"])
        await context.save_sweep(row | {"next_page": 1, "error": error})
        _log.debug("queue swept", account=context.account, queue=queue_id, tasks=len(progress.pages.seen))

    def _note_complete(self, queue_id: str, started_at: float) -> None:
        begins = self._complete.setdefault(queue_id, deque(maxlen=_SWEEPS))
        if begins and not started_at - begins[-1] >= 0:
            begins.clear()  # the clock was put back
        if not begins or started_at - begins[-1] >= _APART_S:
            begins.append(started_at)

    async def _read_pages(self, queue_id: str, progress: _Progress) -> None:
        """Read pages until an empty one or the one before again.

        Short pages prove nothing, since lists may hide tasks; a page without anything new may have been
        shifted by tasks that came in at the front. A page beyond the last may also be a 404, so only one for
        page 1 means that the queue is gone.
        """
        for _ in range(MAX_PAGES):
            try:
                found = await self._read_page(queue_id, progress)
            except SchedulerNotFoundError:
                if progress.page == 1:
                    raise
                found = set()
            self._absences.end(queue_id)
            if progress.pages.is_over(found):
                return
            progress.page += 1
        progress.page = 1
        raise SchedulerUnreachableError("list_tasks: the list has no end")

    async def _read_page(self, queue_id: str, progress: _Progress) -> set[str]:
        """Record the tasks of one page and return their ids. It also answers the requests due for them."""
        context, page = self._context, progress.page
        context.require_quota()
        asked_at = context.clock.now()
        listed = await context.client.tasks.page(page, queue_id=queue_id)
        if listed.broken:
            note_broken(context, listed.broken, queue=queue_id, page=page)
            progress.broken += listed.broken
        found = {record.id for record in listed.records}
        due = await self._due_tasks.running(found)
        await context.record_tasks(queue_id, asked_at, listed.records)
        await self._due_tasks.note(due)
        progress.bare += [record.id for record in listed.records if not record.has_urls]
        return found


def note_broken(context: AccountContext, names: tuple[str, ...], **where: Any) -> None:
    """Count and name records of a list that were passed over because they cannot be read."""
    context.metrics.broken_records.labels("queue" if not where else "task").inc(len(names))
    _limited_log.warning(
        "records of the scheduler's list cannot be read and were passed over; ask the scheduler's support",
        account=context.account,
        records=names[:_SHOWN],
        count=len(names),
        **where,
    )
