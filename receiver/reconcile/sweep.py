"""Reading a queue through, page by page. A sweep that failed half-way goes on where it stopped."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Row

from receiver.errors import SchedulerError, SchedulerNotFoundError, SchedulerUnreachableError
from receiver.observability.logs import Seldom
from receiver.reconcile.absence import Absences
from receiver.reconcile.context import AccountContext
from receiver.reconcile.due_tasks import DueTasks
from receiver.reconcile.unlinked import Unlinked
from receiver.scheduler.listing import Reading

_log = structlog.get_logger("receiver.reconcile")
_seldom = Seldom(_log)

_MOST_PAGES = 10_000
_SHOWN = 5
"""Records named in one log line."""

_SWEEPS, _APART_S = 3, 300.0
"""Complete sweeps that must not show a task before it counts as deleted, and seconds between their begins."""


@dataclass(slots=True)
class _Seen:
    """What the pages of one sweep have shown so far. `bare`: ids of records without URLs, which do not say
    which of our refs they are about; `broken`: records that could not be read, by name; `is_from_start`: no
    page was read before a restart.
    """

    ids: set[str] = field(default_factory=set)
    bare: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    reading: Reading = field(default_factory=Reading)
    is_from_start: bool = True

    @property
    def proves_absence(self) -> bool:
        """Whether what was not shown is not there, so far as a list can say that."""
        return self.is_from_start and not self.bare and not self.broken and self.reading.proves_absence


class Sweeper:
    """Sweeps one account's queues. A broken sweep leaves its page in the store and what it saw in memory."""

    def __init__(self, context: AccountContext, unlinked: Unlinked) -> None:
        self._context = context
        self._unlinked = unlinked
        self._due_tasks = DueTasks(context)
        self._absences = Absences(context.clock)
        self._seen: dict[str, _Seen] = {}
        self._complete: dict[str, deque[float]] = {}

    async def sweep(self, queue_id: str) -> set[str] | None:
        """Record every task of the queue; their ids once all pages were read.

        None where the queue is gone. Raises SchedulerError where it broke off: it is then not complete.
        After a restart the ids seen before it are not known, so the answer may lack some; absence is only
        proven by asking for the task itself.
        """
        context = self._context
        known = (await context.sweeps()).get(queue_id)
        page = known.next_page if known else 1
        seen = self._begun(queue_id, page)
        row = {
            "account": context.account,
            "queue_id": queue_id,
            "started_at": known.started_at if known and page > 1 else context.clock.now(),
            "completed_at": known.completed_at if known else None,
            "error": None,
        }
        seen_before = known.tasks - len(seen.ids) if known and page > 1 else 0
        try:
            await self._read_pages(queue_id, page, seen)
        except SchedulerNotFoundError as error:
            del self._seen[queue_id]
            if self._absences.lasts(queue_id):
                return None
            raise SchedulerNotFoundError(f"{error}; asked again before it is believed") from None
        except _BrokenOffError as broken:
            context.metrics.sweeps.labels("failed").inc()
            row |= {"next_page": broken.page, "error": str(broken.cause)}
            await context.save_sweep(row | {"tasks": seen_before + len(seen.ids)})
            raise broken.cause from None
        row |= {"next_page": 1, "completed_at": context.clock.now(), "tasks": seen_before + len(seen.ids)}
        await self._end(row, seen)
        return self._seen.pop(queue_id).ids

    def unlisted_since(self, queue_ids: Iterable[str]) -> float:
        """Before this moment a task was heard of last that is in none of these queues, as several complete
        sweeps of each have shown since. 0 where there were too few.
        """
        begins = [self._complete.get(queue_id) for queue_id in queue_ids]
        return min((each[0] if each and len(each) == _SWEEPS else 0.0 for each in begins), default=0.0)

    @property
    def absences_are_pending(self) -> bool:
        """Whether a queue answered 404, too short a time ago to be believed."""
        return self._absences.are_pending

    def _begun(self, queue_id: str, page: int) -> _Seen:
        """What is known of the sweep that goes on at this page."""
        if page == 1 or queue_id not in self._seen:
            # Of pages that were read before a restart nobody knows whether all could be read.
            self._seen[queue_id] = _Seen(is_from_start=page == 1)
        return self._seen[queue_id]

    async def _end(self, row: dict[str, Any], seen: _Seen) -> None:
        """Every page was read, if not every record."""
        context, queue_id = self._context, row["queue_id"]
        context.metrics.sweeps.labels("partial" if seen.broken else "complete").inc()
        if seen.broken:
            row["error"] = f"complete but for {len(seen.broken)}"
        self._unlinked.listed(queue_id, seen.bare)
        if seen.proves_absence:
            self._note_complete(queue_id, row["started_at"])
        await context.save_sweep(row)
        _log.debug("queue swept", account=context.account, queue=queue_id, tasks=len(seen.ids))

    def _note_complete(self, queue_id: str, started_at: float) -> None:
        begins = self._complete.setdefault(queue_id, deque(maxlen=_SWEEPS))
        if begins and not started_at - begins[-1] >= 0:
            begins.clear()  # the clock was put back
        if not begins or started_at - begins[-1] >= _APART_S:
            begins.append(started_at)

    async def _read_pages(self, queue_id: str, first: int, seen: _Seen) -> None:
        """Ends with an empty page or the one before again: short pages prove nothing, since lists may hide
        tasks, and one without anything new may have been shifted by tasks that came in at the front.

        A page beyond the last may also be a 404, so only one for page 1 means that the queue is gone.
        """
        for page in range(first, first + _MOST_PAGES):
            try:
                found = await self._read_page(queue_id, page, seen)
            except SchedulerNotFoundError:
                if page == 1:
                    raise
                found = set()
            except SchedulerError as error:
                raise _BrokenOffError(page, error) from None
            self._absences.end(queue_id)
            seen.ids |= found
            if seen.reading.is_over(found):
                return
        raise _BrokenOffError(1, SchedulerUnreachableError("list_tasks: the list has no end"))

    async def _read_page(self, queue_id: str, page: int, seen: _Seen) -> set[str]:
        """Record the tasks of one page; their ids. Those that were due are asked about by that."""
        context = self._context
        context.require_quota()
        asked_at = context.clock.now()
        salvaged = await context.client.tasks.page(page, queue_id=queue_id)
        if salvaged.broken:
            note_broken(context, salvaged.broken, queue=queue_id, page=page)
            seen.broken += salvaged.broken
        found = {record.id for record in salvaged.records}
        shown: Iterable[Row[Any]] = await self._due_tasks.running(found)
        await context.record_tasks(queue_id, asked_at, salvaged.records)
        await self._due_tasks.note(shown)
        seen.bare += [record.id for record in salvaged.records if not record.has_urls]
        return found


def note_broken(context: AccountContext, names: tuple[str, ...], **where: Any) -> None:
    """Records of a list were passed over, since they could not be read: count and name them."""
    context.metrics.broken_records.labels("queue" if not where else "task").inc(len(names))
    _seldom.warning(
        "records of the scheduler's list cannot be read and were passed over; ask the scheduler's support",
        account=context.account,
        records=names[:_SHOWN],
        count=len(names),
        **where,
    )


class _BrokenOffError(Exception):
    def __init__(self, page: int, cause: SchedulerError) -> None:
        super().__init__(str(cause))
        self.page = page
        self.cause = cause
