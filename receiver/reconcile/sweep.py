"""Reading a queue through, page by page. A sweep that failed half-way goes on where it stopped."""

import structlog

from receiver.errors import SchedulerError, SchedulerNotFoundError, SchedulerUnreachableError
from receiver.reconcile.agenda import Agenda
from receiver.reconcile.desk import Desk

_log = structlog.get_logger("receiver.reconcile")

_MOST_PAGES = 10_000


class Sweeper:
    """Sweeps one account's queues. A broken sweep leaves its page in the store and what it saw in memory."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._agenda = Agenda(desk)
        self._seen: dict[str, set[str]] = {}

    async def sweep(self, queue_id: str) -> set[str] | None:
        """Record every task of the queue; their ids once all pages were read.

        None where the queue is gone. Raises SchedulerError where it broke off: it is then not complete.
        After a restart the ids seen before it are not known, so the answer may lack some; absence is only
        proven by asking for the task itself.
        """
        desk = self._desk
        known = (await desk.sweeps()).get(queue_id)
        page = known.next_page if known else 1
        seen = self._seen.setdefault(queue_id, set())
        if page == 1:
            seen.clear()
        row = {
            "account": desk.account,
            "queue_id": queue_id,
            "started_at": known.started_at if known and page > 1 else desk.clock.now(),
            "completed_at": known.completed_at if known else None,
            "error": None,
        }
        seen_before = known.tasks - len(seen) if known and page > 1 else 0
        try:
            await self._read_pages(queue_id, page, seen)
        except SchedulerNotFoundError:
            del self._seen[queue_id]
            return None
        except _BrokenOffError as broken:
            desk.metrics.sweeps.labels("failed").inc()
            row |= {"next_page": broken.page, "error": str(broken.cause)}
            await desk.save_sweep(row | {"tasks": seen_before + len(seen)})
            raise broken.cause from None
        desk.metrics.sweeps.labels("complete").inc()
        row |= {"next_page": 1, "completed_at": desk.clock.now()}
        await desk.save_sweep(row | {"tasks": seen_before + len(seen)})
        _log.debug("queue swept", account=desk.account, queue=queue_id, tasks=len(seen))
        return self._seen.pop(queue_id)

    async def _read_pages(self, queue_id: str, first: int, seen: set[str]) -> None:
        """Ends with a page that brings nothing new: short pages prove nothing, since lists may hide tasks.

        A page beyond the last may also be a 404, so only one for page 1 means that the queue is gone.
        """
        for page in range(first, first + _MOST_PAGES):
            try:
                found = await self._read_page(queue_id, page)
            except SchedulerNotFoundError:
                if page == 1:
                    raise
                return
            except SchedulerError as error:
                raise _BrokenOffError(page, error) from None
            if found <= seen:
                return
            seen |= found
        raise _BrokenOffError(1, SchedulerUnreachableError("list_tasks: the list has no end"))

    async def _read_page(self, queue_id: str, page: int) -> set[str]:
        """Record the tasks of one page; their ids. Those that were due are asked about by that."""
        desk = self._desk
        desk.spend()
        asked_at = desk.clock.now()
        records = await desk.client.list_tasks_page(queue_id, page)
        found = {record.id for record in records}
        shown = await self._agenda.running(found)
        await desk.record_tasks(queue_id, asked_at, records)
        await self._agenda.note(shown)
        return found


class _BrokenOffError(Exception):
    def __init__(self, page: int, cause: SchedulerError) -> None:
        super().__init__(str(cause))
        self.page = page
        self.cause = cause
