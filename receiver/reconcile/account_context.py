"""What reconciliation of one account works with, and the reads and writes that its parts share."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, select

from receiver.domain.facts import Fact, TaskSnapshot
from receiver.domain.hooks import HookSigner
from receiver.domain.numbers import REGION
from receiver.domain.timeline import Purpose
from receiver.errors import QuotaExhaustedError
from receiver.ledger.fact_sql import key_of
from receiver.ledger.ledger import Ledger
from receiver.ledger.links import find_links
from receiver.observability.metrics import Metrics
from receiver.reconcile import due_sql
from receiver.reconcile.due_sql import Delay
from receiver.reconcile.facts_from_api import is_over_since, task_seen
from receiver.reconcile.policy import Policy
from receiver.runtime.clock import Clock
from receiver.scheduler.client import SchedulerClient
from receiver.scheduler.wire import TaskRecord
from receiver.storage.engine import Store
from receiver.tasks.projections import has_tasks
from receiver.tasks.tables import SWEEP

Horizon = Mapping[Purpose, float]
"""Purpose → the latest `ask_at` of tasks to read."""

_COUNTED = 100
"""Batches of tasks that are counted where one batch does not hold all that is due."""

_NAME = re.compile(r"[A-Za-z0-9_.:@-]{1,128}")


@dataclass(frozen=True, slots=True)
class AccountContext:
    """One account's client, the ledger, and the rules. `region`: the country of numbers without a country
    code.
    """

    account: str
    client: SchedulerClient
    ledger: Ledger
    store: Store
    signer: HookSigner
    clock: Clock
    policy: Policy
    metrics: Metrics
    region: str = REGION

    def require_quota(self) -> None:
        """Raise QuotaExhaustedError if the quota, or the share of reconciliation, is used up."""
        quota = self.client.quota
        if quota.allows(self.policy.quota_share):
            return
        quota.check()
        reset = quota.reset_at or self.clock.now() + self.policy.longest_wait
        raise QuotaExhaustedError("reconciliation has spent its share of the quota", reset)

    async def record_tasks(self, queue_id: str, asked_at: float, records: Iterable[TaskRecord]) -> None:
        """Record tasks of a queue as the API showed them.

        The facts are as old as the request: hooks that arrived before the answer may be newer.
        """
        seen = [
            task_seen(
                self.account,
                asked_at,
                record.model_copy(update={"scheduler_id": record.scheduler_id or queue_id}),
                self.signer,
            )
            for record in records
        ]
        facts = await self._without_forgotten(await self._linked(seen), asked_at)
        if facts:
            await self.ledger.record(facts)

    async def _linked(self, seen: list[Fact]) -> list[Fact]:
        """Link tasks without URLs to the refs of authentic hooks that claim their ids."""
        mute = {
            fact.id: fact.task_id
            for fact in seen
            if fact.task_id and isinstance(fact.payload, TaskSnapshot) and fact.payload.mute
        }
        if not mute:
            return seen
        refs = await self.store.read(
            lambda connection: due_sql.claims(connection, self.account, set(mute.values()))
        )
        # With an id of its own: the same record may be a fact already, of a task without a ref.
        return [
            replace(fact, id=f"{fact.id}/{refs[fact.task_id]}", ref=refs[fact.task_id])
            if fact.id in mute and fact.task_id in refs
            else fact
            for fact in seen
        ]

    async def _without_forgotten(self, seen: list[Fact], now: float) -> list[Fact]:
        """Leave out tasks that retention has deleted: begun anew, all their hooks would count as lost."""
        keep = self.policy.keep
        old = [fact for fact in seen if is_over_since(fact, now - keep)] if keep is not None else []
        if not old:
            return seen
        unknown = await self.store.read(lambda connection: _of_unknown_tasks(connection, self.account, old))
        return [fact for fact in seen if fact.id not in unknown]

    async def sweeps(self) -> dict[str, Row[Any]]:
        """Return the last sweep of each queue, by queue id."""
        query = select(SWEEP).where(SWEEP.c.account == self.account)
        return await self.store.read(
            lambda connection: {row.queue_id: row for row in connection.execute(query)}
        )

    async def save_sweep(self, row: dict[str, Any]) -> None:
        await self.store.write(lambda connection: due_sql.put_sweep(connection, row))


class DueTasks:
    """Reads due tasks in batches, however many there are. It remembers nothing: the store does."""

    def __init__(self, context: AccountContext) -> None:
        self._context = context
        self.batch = context.policy.batch

    async def first(self, horizon: Horizon, *where: ColumnElement[bool]) -> list[Row[Any]]:
        """Return the first due tasks of each purpose.

        The least asked come first, so that a request that always fails holds up no other; among equals the
        soonest.
        """
        rows = await self._read(self._due(horizon, self.batch, where))
        return sorted(rows, key=lambda row: (row.asks, row.due_at))

    async def behind(self, key: str, horizon: Horizon) -> list[Row[Any]]:
        """Return the next due tasks behind this key: from batch to batch, each task comes once."""
        return await self._read([due_sql.tasks_behind(self._context.account, key, horizon, self.batch)])

    async def calls_to_settle(self, until: float) -> list[Row[Any]]:
        """Return the first tasks that ended before this moment and still wait for the record of a call."""
        return await self._read([due_sql.calls_to_settle(self._context.account, until, self.batch)])

    async def count(self, horizon: Horizon, *where: ColumnElement[bool]) -> Counter[str | None]:
        """Return the least number of due tasks by queue id."""
        queries = self._due(horizon, _COUNTED * self.batch, where)
        numbers = Counter[str | None]()
        for row in await self._read(map(due_sql.by_queue, queries)):
            numbers[row.queue_id] += row.tasks
        return numbers

    async def running(self, task_ids: Collection[str]) -> Sequence[Row[Any]]:
        """Return those of these tasks that have not ended as far as the API has shown."""
        return await self._context.store.read(
            lambda connection: due_sql.running_tasks(connection, self._context.account, task_ids)
        )

    async def note(self, asked: Iterable[Row[Any]], put_off: Iterable[tuple[Row[Any], float]] = ()) -> None:
        """Ask about these tasks later: after twice the pause each time, or not before a given moment.

        A task that has changed since its row was read keeps its time.
        """
        context, policy, now = self._context, self._context.policy, self._context.clock.now()
        delays = [
            Delay(row, max(row.ask_at, policy.ask_again_at(row.due_for, row.asks, now)), row.asks + 1)
            for row in asked
            if row.ask_at <= now - policy.margins[row.due_for]
        ]
        delays += [
            Delay(row, max(row.ask_at, until - policy.margins[row.due_for]), row.asks)
            for row, until in put_off
        ]
        if delays:
            await context.store.write(lambda connection: due_sql.delay(connection, context.account, delays))

    def _due(
        self, horizon: Horizon, limit: int, where: Sequence[ColumnElement[bool]]
    ) -> Iterable[Select[Any]]:
        for purpose, at in horizon.items():
            yield due_sql.due_tasks(self._context.account, purpose, at, limit).where(*where)

    async def _read(self, queries: Iterable[Select[Any]]) -> list[Row[Any]]:
        return await self._context.store.read(
            lambda connection: [row for query in queries for row in connection.execute(query)]
        )


def _of_unknown_tasks(connection: Connection, account: str, seen: Sequence[Fact]) -> set[str]:
    """Return the ids of facts about unknown tasks."""
    links = find_links(connection, account, {fact.task_id for fact in seen if fact.task_id})
    keys = {fact.id: key_of(fact.ref, fact.task_id, links) for fact in seen}
    known = has_tasks(connection, account, set(keys.values()))
    return {fact_id for fact_id, key in keys.items() if key not in known}


def about(row: Row[Any]) -> tuple[str | None, str | None]:
    """Return the names by which facts are about the task of a row: its ref and its id."""
    return row.ref, row.task_id


def is_nameable(name: str | None) -> bool:
    """Return whether a name, which may be a hook's mere claim, can stand in an API path."""
    return name is not None and bool(_NAME.fullmatch(name)) and bool(name.strip("."))


def is_proven(row: Row[Any]) -> bool:
    """Return whether the API has shown the task of a row, so that its id and its queue are no mere claim."""
    return row.try_count is not None or row.a_number is not None
