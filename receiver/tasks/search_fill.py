"""Adds the phone numbers of tasks that an earlier version has folded, newest first, in the background."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, literal, select, tuple_

from receiver.domain.fold import Fold
from receiver.domain.task_rows import Row
from receiver.errors import StoreUnavailableError
from receiver.ledger.fact_sql import facts_of
from receiver.runtime.clock import Clock
from receiver.runtime.workers import pause
from receiver.storage import locks
from receiver.storage.bulk import run, write
from receiver.storage.engine import Store
from receiver.tasks.queries import TASKS_ORDER
from receiver.tasks.search_projection import Position, move, number_rows, position
from receiver.tasks.tables import TASK, TASK_NUMBER

_log = structlog.get_logger("receiver.search")

_TASKS = 50
"""Tasks of a step: some milliseconds of folding and one short transaction."""

_REST, _LEAST_REST_S = 2.0, 0.02
"""Rest after a step, in multiples of its duration, and its minimum in seconds."""


class SearchFill:
    """Adds the numbers of older tasks until all have them."""

    name = "search"

    def __init__(self, store: Store, fold: Fold, clock: Clock) -> None:
        self._store = store
        self._fold = fold
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Run one step after the other, then wait for `stop`."""
        now = asyncio.get_running_loop().time
        while not stop.is_set():
            began = now()
            try:
                if not await self.step():
                    await stop.wait()
            except StoreUnavailableError as error:
                _log.warning("numbers of older tasks not added yet", problem=str(error))
            await pause(self._clock, max(_LEAST_REST_S, _REST * (now() - began)), stop)

    async def step(self) -> bool:
        """Add the numbers of the next tasks. Return whether there may be more."""
        step = await self._store.read(partial(next_step, fold=self._fold))
        if step is None:
            return False
        await self._store.write(partial(write_step, step=step))
        return True


class FillStep(NamedTuple):
    """`to`: the position after it, None for the last step. `read`: account → key → `last_at` of its tasks.
    `rows`: of `task_number`.
    """

    to: Position | None
    read: Mapping[str, Mapping[str, float]]
    rows: Sequence[Row]


def next_step(connection: Connection, fold: Fold) -> FillStep | None:
    """Return the next step, None if all tasks have their numbers."""
    last = position(connection)
    if last is None:
        return None
    values = (literal(value, type_=column.type) for value, column in zip(last, TASKS_ORDER, strict=True))
    query = select(*TASKS_ORDER, TASK.c.last_at).where(tuple_(*TASKS_ORDER) < tuple_(*values))
    tasks = connection.execute(query.order_by(*(column.desc() for column in TASKS_ORDER)).limit(_TASKS)).all()
    read: dict[str, dict[str, float]] = defaultdict(dict)
    for task in tasks:
        read[task.account][task.key] = task.last_at
    rows = [
        row
        for account, keys in read.items()
        for facts in facts_of(connection, account, keys).values()
        for row in number_rows(fold(facts))
    ]
    return FillStep(Position(*tasks[-1][:3]) if tasks else None, read, rows)


def write_step(connection: Connection, step: FillStep) -> None:
    """Add the rows of tasks that are as they were read. Rows of a later fold stay as they are."""
    if not locks.try_lock_folding(connection):
        return  # another receiver folds: the step is made again
    query = "SELECT key, last_at FROM task WHERE account = ? AND key IN ?"
    live = {
        account: dict(run(connection, query, account, [*read]).all()) for account, read in step.read.items()
    }
    rows = [
        row
        for row in step.rows
        if live[row["account"]].get(row["key"]) == step.read[row["account"]][row["key"]]
    ]
    write(connection, TASK_NUMBER, "once", rows)
    move(connection, step.to)
