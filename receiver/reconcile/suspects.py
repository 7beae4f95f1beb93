"""Missing hooks that are only suspected to be lost: they may be among deliveries that name no task.

The fact that settles a task records whether a loss is only suspected. Once those deliveries are placed, or
deleted as too old, the task is settled anew, and hooks that are still missing are lost.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, Row, select, tuple_

from receiver.domain.facts import TaskSettled, observation
from receiver.inbox.unplaced import Unplaced, unplaced
from receiver.reconcile.account_context import AccountContext, about
from receiver.tasks.tables import FINDING, TASK

_log = structlog.get_logger("receiver.reconcile")

_SKEW_S = 60.0
"""Seconds by which the scheduler's clock, which dates the creation of tasks, may be ahead of ours."""

_LOOK_EVERY_S, _LOOK_CLOSELY_EVERY_S = 30.0, 3600.0
"""Seconds between looks for placed deliveries, and between looks at all suspicions even if none was placed:
another process may have settled tasks.
"""

_WARN_EVERY_S = 900.0
"""Seconds between two log lines about the same trouble."""

_BATCH = 200
"""Suspicions that are ended in one transaction: hooks wait for it."""

_Position = tuple[float, str, str]
_START: _Position = (-1.0, "", "")


class Suspects:
    """Settles the tasks of one account, and ends suspicions that have no reason any more."""

    def __init__(self, context: AccountContext) -> None:
        self._context = context
        self._seen = Unplaced()
        self._looked_at = self._looked_closely_at = self._warned_at = float("-inf")

    async def settle(self, rows: Sequence[Row[Any]]) -> None:
        """Record that these tasks are settled."""
        found = await self._read()
        self._seen = self._seen.latest(found)
        await self._record(rows, found)
        missing = [row for row in rows if row.hooks_expected > row.hooks_arrived and _events(row, found)]
        if missing:
            self._warn(len(missing), found)

    async def end(self) -> int:
        """End suspicions without a reason, and return their number of hooks.

        Looks now and then, and at all tasks mostly if a delivery has been placed or deleted since.
        """
        now = self._context.clock.now()
        if 0 <= now - self._looked_at < _LOOK_EVERY_S:
            return 0
        found = await self._read()
        ended = 0
        if found.lacks(self._seen) or not 0 <= now - self._looked_closely_at < _LOOK_CLOSELY_EVERY_S:
            ended = await self._end(found)
            self._looked_closely_at = now
        self._seen, self._looked_at = found, now
        return ended

    async def _end(self, found: Unplaced) -> int:
        ended, after = 0, _START
        while rows := await self._context.store.read(partial(_suspected, self._context.account, after)):
            certain = [row for row in rows if row.kind not in _events(row, found)]
            await self._record(certain, found)
            ended += sum(row.count_of_hooks for row in certain)
            after = rows[-1].at, rows[-1].key, rows[-1].kind
        if ended:
            _log.info(
                "missing hooks are no longer only suspected", account=self._context.account, hooks=ended
            )
        return ended

    async def _record(self, rows: Sequence[Row[Any]], found: Unplaced) -> None:
        account, now = self._context.account, self._context.clock.now()
        if rows:
            await self._context.ledger.record(
                [observation(account, now, TaskSettled(_events(row, found)), about(row)) for row in rows]
            )

    async def _read(self) -> Unplaced:
        return await self._context.store.read(partial(unplaced, account=self._context.account))

    def _warn(self, tasks: int, found: Unplaced) -> None:
        now = self._context.clock.now()
        if 0 <= now - self._warned_at < _WARN_EVERY_S:
            return
        self._warned_at = now
        _log.warning(
            "hooks are missing, but perhaps not lost: deliveries of the account name no task or are set "
            "aside; see `receiver capture` and `receiver set-aside`, mend [aliases], then run "
            "`receiver reread`",
            account=self._context.account,
            tasks=tasks,
            name_no_task=sorted(found.deliveries),
            set_aside=sorted(found.set_aside),
        )


def _events(row: Row[Any], found: Unplaced) -> tuple[str, ...]:
    """Return the events whose missing hooks of this task are only suspected to be lost."""
    return found.events(row.ref, min(row.first_at, row.created_at or row.first_at) - _SKEW_S)


def _suspected(account: str, after: _Position, connection: Connection) -> Sequence[Row[Any]]:
    """Return the next suspected hooks, with the columns of their tasks that `_events` needs."""
    order = FINDING.c["at"], FINDING.c.key, FINDING.c.kind
    of_task = TASK.c.account == FINDING.c.account, TASK.c.key == FINDING.c.key
    columns = (TASK.c[name] for name in ("ref", "task_id", "first_at", "created_at"))
    query = (
        select(*order, FINDING.c["count"].label("count_of_hooks"), *columns)
        .where(FINDING.c.category == "suspected_hook", FINDING.c.account == account, *of_task)
        .where(tuple_(*order) > tuple_(*after))
        .order_by(*order)
        .limit(_BATCH)
    )
    return connection.execute(query).all()
