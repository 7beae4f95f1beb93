"""What is to be asked of one account: which tasks come next, and when each is asked about again."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select

from receiver.domain.timeline import Purpose
from receiver.reconcile import due_sql
from receiver.reconcile.context import AccountContext
from receiver.reconcile.due_sql import Delay

Horizon = Mapping[Purpose, float]
"""Purpose → the latest `ask_at` that is of interest."""

_COUNTED = 100
"""So many times a batch are counted where the batch does not hold all that is due."""


class DueTasks:
    """Reads what is due in batches, however much there is. It remembers nothing: the store does."""

    def __init__(self, context: AccountContext) -> None:
        self._context = context
        self.batch = context.policy.batch

    async def first(self, horizon: Horizon, *where: ColumnElement[bool]) -> list[Row[Any]]:
        """The first tasks of each purpose whose time has come: the least asked first, so that a question that
        always fails holds up no other; among equals the soonest.
        """
        rows = await self._read(self._due(horizon, self.batch, where))
        return sorted(rows, key=lambda row: (row.asks, row.due_at))

    async def behind(self, key: str, horizon: Horizon) -> list[Row[Any]]:
        """The next tasks behind this key: from one batch to the next, each task is met once."""
        return await self._read([due_sql.tasks_behind(self._context.account, key, horizon, self.batch)])

    async def calls_to_settle(self, until: float) -> list[Row[Any]]:
        """The first tasks that ended before this moment and still wait for the record of a call."""
        return await self._read([due_sql.calls_to_settle(self._context.account, until, self.batch)])

    async def count(self, horizon: Horizon, *where: ColumnElement[bool]) -> Counter[str | None]:
        """Queue id → how many tasks are due in it, at least."""
        queries = self._due(horizon, _COUNTED * self.batch, where)
        numbers = Counter[str | None]()
        for row in await self._read(map(due_sql.by_queue, queries)):
            numbers[row.queue_id] += row.tasks
        return numbers

    async def running(self, task_ids: Collection[str]) -> Sequence[Row[Any]]:
        """Those of these tasks of which the API has not said that they ended."""
        return await self._context.store.read(
            lambda connection: due_sql.running_tasks(connection, self._context.account, task_ids)
        )

    async def note(self, asked: Iterable[Row[Any]], put_off: Iterable[tuple[Row[Any], float]] = ()) -> None:
        """What was due and was asked about is asked about again later, twice as much later each time; what is
        put off, not before that time. Where something new is known of a task by now, nothing is changed.
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
        self, horizon: Horizon, most: int, where: Sequence[ColumnElement[bool]]
    ) -> Iterable[Select[Any]]:
        for purpose, at in horizon.items():
            yield due_sql.due_tasks(self._context.account, purpose, at, most).where(*where)

    async def _read(self, queries: Iterable[Select[Any]]) -> list[Row[Any]]:
        return await self._context.store.read(
            lambda connection: [row for query in queries for row in connection.execute(query)]
        )
