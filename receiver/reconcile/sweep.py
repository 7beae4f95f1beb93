"""Reading a queue through, page by page. A sweep that failed half-way goes on where it stopped."""

import structlog

from receiver.errors import SchedulerError, SchedulerNotFoundError
from receiver.reconcile.desk import Desk
from receiver.reconcile.observe import task_seen

_log = structlog.get_logger("receiver.reconcile")


class Sweeper:
    """Sweeps one account's queues. A broken sweep leaves its page in the store and what it saw in memory."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
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
        if page == 1:
            self._seen.pop(queue_id, None)
        seen = self._seen.setdefault(queue_id, set())
        row = {
            "account": desk.account,
            "queue_id": queue_id,
            "started_at": known.started_at if known and page > 1 else desk.clock.now(),
            "next_page": page,
            "tasks": known.tasks if known else 0,
            "completed_at": known.completed_at if known else None,
            "error": None,
        }
        try:
            row["next_page"] = await self._read_pages(queue_id, page, seen)
        except SchedulerNotFoundError:
            return None
        except _BrokenOffError as broken:
            desk.metrics.sweeps.labels("failed").inc()
            await desk.save_sweep(row | {"next_page": broken.page, "error": str(broken.cause)})
            raise broken.cause from None
        desk.metrics.sweeps.labels("complete").inc()
        await desk.save_sweep(row | {"next_page": 1, "tasks": len(seen), "completed_at": desk.clock.now()})
        _log.debug("queue swept", account=desk.account, queue=queue_id, tasks=len(seen))
        return self._seen.pop(queue_id)

    async def _read_pages(self, queue_id: str, page: int, seen: set[str]) -> int:
        """Ends with a page that brings nothing new: short pages prove nothing, since lists may hide tasks."""
        while True:
            try:
                self._desk.spend()
                records = await self._desk.client.list_tasks_page(queue_id, page)
            except SchedulerNotFoundError:
                raise
            except SchedulerError as error:
                raise _BrokenOffError(page, error) from None
            now = self._desk.clock.now()
            await self._desk.record(
                [task_seen(self._desk.account, now, record, self._desk.signer) for record in records]
            )
            new = {record.id for record in records} - seen
            if not new:
                return page
            seen |= new
            page += 1


class _BrokenOffError(Exception):
    def __init__(self, page: int, cause: SchedulerError) -> None:
        super().__init__(str(cause))
        self.page = page
        self.cause = cause
