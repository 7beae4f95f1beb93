"""One account's queues: which there are, and which have to be read through."""

from dataclasses import replace

from receiver.domain.facts import QueueSnapshot, queue_fact
from receiver.reconcile.context import AccountContext
from receiver.reconcile.facts_from_api import queue_said
from receiver.reconcile.sweep import note_broken


class QueueWatch:
    """Keeps what is known of the queues up to date."""

    def __init__(self, context: AccountContext) -> None:
        self._context = context
        self._looked_at = 0.0

    async def look(self, everything: bool) -> None:
        """Record queues that are new or changed, every now and then. Raises SchedulerError."""
        now = self._context.clock.now()
        if not everything and 0 <= now - self._looked_at < self._context.policy.sweep_every:
            return
        self._context.require_quota()
        pages = [page async for page in self._context.client.queues.pages()]
        if broken := tuple(name for page in pages for name in page.broken):
            note_broken(self._context, broken)
        known = await self.known()
        for said in (queue_said(record) for page in pages for record in page.records):
            if known.get(said.queue_id) != said:
                await self._note(said)
        self._looked_at = now

    async def note_gone(self, queue_id: str) -> None:
        """The API answered 404 for the queue; what else was known of it stays."""
        said = (await self.known()).get(queue_id, QueueSnapshot(queue_id, "on"))
        if said.status != "gone":
            await self._note(replace(said, status="gone"))

    async def known(self) -> dict[str, QueueSnapshot]:
        """Queue id → the last that was said of it."""
        names = ("queue_id", "status", "name", "comment", "concurrent_task_limit", "created_at")
        rows = await self._context.queues()
        return {
            queue_id: QueueSnapshot(**{name: getattr(row, name) for name in names})
            for queue_id, row in rows.items()
        }

    async def stale(self, everything: bool) -> list[str]:
        """Queues that were not read through for too long, or whose reading broke off; the stalest first."""
        sweeps = await self._context.sweeps()
        now = self._context.clock.now()
        fresh_since = now - self._context.policy.sweep_every

        def read_at(queue_id: str) -> float:
            sweep = sweeps.get(queue_id)
            at = sweep.completed_at if sweep and sweep.next_page == 1 else None
            return at if at is not None and at <= now else 0.0  # a later one is of a clock since put back

        open_queues = [queue_id for queue_id, said in (await self.known()).items() if said.status != "gone"]
        stale = [each for each in open_queues if everything or read_at(each) <= fresh_since]
        return sorted(stale, key=lambda queue_id: (read_at(queue_id), queue_id))

    async def _note(self, said: QueueSnapshot) -> None:
        await self._context.record([queue_fact(self._context.account, self._context.clock.now(), said)])
