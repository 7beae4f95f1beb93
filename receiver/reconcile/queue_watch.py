"""One account's queues: which exist, and which must be read through."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, select

from receiver.domain.facts import QueueSnapshot, queue_fact
from receiver.reconcile.account_context import AccountContext
from receiver.reconcile.facts_from_api import queue_snapshot
from receiver.reconcile.sweep import note_broken
from receiver.tasks.tables import QUEUE


class QueueWatch:
    """Keeps what is known of the queues up to date."""

    def __init__(self, context: AccountContext) -> None:
        self._context = context
        self._looked_at = 0.0

    async def look(self, everything: bool) -> None:
        """Record new and changed queues, at most once in `sweep_every`. Raises SchedulerError."""
        context, now = self._context, self._context.clock.now()
        if not everything and 0 <= now - self._looked_at < context.policy.sweep_every:
            return
        context.require_quota()
        pages = [page async for page in context.client.queues.pages()]
        if broken := tuple(name for page in pages for name in page.broken):
            note_broken(context, broken)
        known = await self.known()
        for queue in (queue_snapshot(record) for page in pages for record in page.records):
            if known.get(queue.queue_id) != queue:
                await self._record(queue)
        self._looked_at = now

    async def note_gone(self, queue_id: str) -> None:
        """Record that the API answered 404 for the queue; what else is known of it stays."""
        queue = (await self.known()).get(queue_id, QueueSnapshot(queue_id, "on"))
        if queue.status != "gone":
            await self._record(replace(queue, status="gone"))

    async def known(self) -> dict[str, QueueSnapshot]:
        """Return the latest state of each queue, by id."""
        names = ("queue_id", "status", "name", "comment", "concurrent_task_limit", "created_at")
        query = select(*(QUEUE.c[name] for name in names)).where(QUEUE.c.account == self._context.account)
        rows = await self._context.store.read(lambda connection: connection.execute(query).all())
        return {row.queue_id: QueueSnapshot(**row._mapping) for row in rows}

    async def stale(self, sweeps: Mapping[str, Row[Any]], everything: bool) -> list[str]:
        """Return queues whose last sweep is too old or broke off, the stalest first."""
        now = self._context.clock.now()

        def read_at(queue_id: str) -> float:
            sweep = sweeps.get(queue_id)
            at = sweep.completed_at if sweep and sweep.next_page == 1 else None
            return at if at is not None and at <= now else 0.0  # a later one is of a clock since put back

        fresh_since = now - self._context.policy.sweep_every
        queue_ids = [queue_id for queue_id, queue in (await self.known()).items() if queue.status != "gone"]
        stale = [queue_id for queue_id in queue_ids if everything or read_at(queue_id) <= fresh_since]
        return sorted(stale, key=lambda queue_id: (read_at(queue_id), queue_id))

    async def _record(self, queue: QueueSnapshot) -> None:
        context = self._context
        await context.ledger.record([queue_fact(context.account, context.clock.now(), queue)])
