"""What reconciliation of one account works with, and the reads and writes that all its parts share."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, select

from receiver.domain.facts import Fact
from receiver.domain.hooks import HookSigner
from receiver.errors import QuotaExhaustedError
from receiver.ledger import fact_sql
from receiver.ledger.fact_rows import key_of
from receiver.ledger.ledger import Ledger
from receiver.ledger.links import find_links
from receiver.observability.metrics import Metrics
from receiver.reconcile import due_sql
from receiver.reconcile.facts_from_api import is_mute, is_over_since, task_seen
from receiver.reconcile.policy import Policy
from receiver.runtime.clock import Clock
from receiver.scheduler.client import SchedulerClient
from receiver.scheduler.wire import TaskRecord
from receiver.storage.engine import Store
from receiver.tasks.projections import has_tasks
from receiver.tasks.tables import QUEUE, SWEEP

_NAME = re.compile(r"[A-Za-z0-9_.:@-]{1,128}")


@dataclass(frozen=True, slots=True)
class AccountContext:
    """One account's client, the door to the ledger, and the rules."""

    account: str
    client: SchedulerClient
    ledger: Ledger
    store: Store
    signer: HookSigner
    clock: Clock
    policy: Policy
    metrics: Metrics

    def require_quota(self) -> None:
        """Before each call: raises QuotaExhaustedError where the quota, or our share of it, is used up."""
        quota = self.client.quota
        quota.check()
        if not quota.allows(self.policy.quota_share):
            reset = quota.reset_at or self.clock.now() + self.policy.longest_wait
            raise QuotaExhaustedError("reconciliation has spent its share of the quota", reset)

    async def record(self, facts: Sequence[Fact]) -> None:
        if facts:
            await self.ledger.record(facts)

    async def record_tasks(self, queue_id: str, asked_at: float, records: Iterable[TaskRecord]) -> None:
        """Record what the API said of tasks of a queue. An answer may be as old as its question: hooks that
        came in between know better.
        """
        placed = [
            record.model_copy(update={"scheduler_id": record.scheduler_id or queue_id}) for record in records
        ]
        seen = [task_seen(self.account, asked_at, record, self.signer) for record in placed]
        await self.record(await self._without_forgotten(await self._linked(seen), asked_at))

    async def _linked(self, seen: list[Fact]) -> list[Fact]:
        """Where the API does not echo the URLs, the word of a task's authentic hooks must do for its id."""
        mute = {fact.task_id for fact in seen if fact.task_id and not fact.ref and is_mute(fact)}
        if not mute:
            return seen
        refs = await self.store.read(lambda connection: due_sql.claims(connection, self.account, mute))
        # With an id of its own: what the record says may be a fact already, of a task without a ref.
        return [
            replace(fact, id=f"{fact.id}/{refs[fact.task_id]}", ref=refs[fact.task_id])
            if fact.task_id in refs and is_mute(fact)
            else fact
            for fact in seen
        ]

    async def _without_forgotten(self, seen: list[Fact], now: float) -> list[Fact]:
        """What the API still shows of tasks that were too old to be kept is not to begin them anew: all their
        hooks would count as lost.
        """
        keep = self.policy.keep
        old = [fact for fact in seen if is_over_since(fact, now - keep)] if keep is not None else []
        if not old:
            return seen
        unknown = await self.store.read(lambda connection: _of_unknown_tasks(connection, self.account, old))
        return [fact for fact in seen if fact.id not in unknown]

    async def queues(self) -> dict[str, Row[Any]]:
        """Queue id → what is known of it."""
        query = select(QUEUE).where(QUEUE.c.account == self.account)
        return await self.store.read(
            lambda connection: {row.queue_id: row for row in connection.execute(query)}
        )

    async def sweeps(self) -> dict[str, Row[Any]]:
        """Queue id → its last sweep."""
        query = select(SWEEP).where(SWEEP.c.account == self.account)
        return await self.store.read(
            lambda connection: {row.queue_id: row for row in connection.execute(query)}
        )

    async def facts_of(self, keys: Iterable[str]) -> dict[str, list[Fact]]:
        """Key → the task's facts."""
        wanted = list(keys)
        return await self.store.read(lambda connection: fact_sql.facts_of(connection, self.account, wanted))

    async def save_sweep(self, row: dict[str, Any]) -> None:
        await self.store.write(lambda connection: due_sql.put_sweep(connection, row))


def _of_unknown_tasks(connection: Connection, account: str, seen: Sequence[Fact]) -> set[str]:
    """The ids of those facts whose tasks there are not."""
    links = find_links(connection, account, {fact.task_id for fact in seen if fact.task_id})
    keys = {fact.id: key_of(fact.ref, fact.task_id, links) for fact in seen}
    known = has_tasks(connection, account, set(keys.values()))
    return {fact_id for fact_id, key in keys.items() if key not in known}


def about(row: Row[Any]) -> tuple[str | None, str | None]:
    """How facts name the task of a row."""
    return row.ref, row.task_id


def is_nameable(name: str | None) -> bool:
    """Whether a name, which may be a hook's mere claim, can stand in an API path."""
    return name is not None and bool(_NAME.fullmatch(name)) and bool(name.strip("."))


def is_proven(row: Row[Any]) -> bool:
    """Whether the API has shown the task of a row, so that its id and its queue are more than a claim."""
    return row.try_count is not None or row.a_number is not None
