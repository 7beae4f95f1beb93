"""Missing hooks that are not claimed to be lost, since deliveries of the account are of no task.

Whether a loss is only suspected is part of what is recorded when a task settles. Once those deliveries are
placed, or deleted as too old, it is recorded anew, and what is still missing then is lost.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, Row, select, tuple_

from receiver.inbox.unplaced import Unplaced, unplaced
from receiver.reconcile.context import AccountContext, about
from receiver.reconcile.facts_from_api import task_settled
from receiver.tasks.tables import FINDING, TASK

_log = structlog.get_logger("receiver.reconcile")

_SKEW_S = 60.0
"""Seconds by which the scheduler's clock, which says when a task was made, may be ahead of ours."""

_LOOK_EVERY_S, _LOOK_CLOSELY_EVERY_S = 30.0, 3600.0
"""Pauses in seconds: between looks whether something has been placed; between looks at all suspicions, even
if nothing seems to have been placed, since another process may have settled tasks.
"""

_TELL_EVERY_S = 900.0
"""Seconds between two log lines about the same trouble."""

_BATCH = 200
"""Suspicions that are ended in one transaction: hooks wait for it."""

_Position = tuple[float, str, str]
_START: _Position = (-1.0, "", "")


class Suspects:
    """Of one account."""

    def __init__(self, context: AccountContext) -> None:
        self._context = context
        self._seen = Unplaced()
        self._looked_at = self._looked_closely_at = self._told_at = float("-inf")

    async def settle(self, rows: Sequence[Row[Any]]) -> None:
        """Record that these tasks are settled."""
        there = await self._read()
        self._seen = self._seen.latest(there)
        await self._record(rows, there)
        missing = [row for row in rows if row.hooks_expected > row.hooks_arrived and _events(row, there)]
        if missing:
            self._tell(len(missing), there)

    async def end(self) -> int:
        """End suspicions for which there is no reason any more; of how many missing hooks. It looks now and
        then, and at the tasks mostly if something has been placed or deleted since.
        """
        now = self._context.clock.now()
        if 0 <= now - self._looked_at < _LOOK_EVERY_S:
            return 0
        there = await self._read()
        ended = 0
        if there.lacks(self._seen) or not 0 <= now - self._looked_closely_at < _LOOK_CLOSELY_EVERY_S:
            ended = await self._end(there)
            self._looked_closely_at = now
        self._seen, self._looked_at = there, now
        return ended

    async def _end(self, there: Unplaced) -> int:
        ended, after = 0, _START
        while rows := await self._context.store.read(partial(_suspected, self._context.account, after)):
            certain = [row for row in rows if row.kind not in _events(row, there)]
            await self._record(certain, there)
            ended += sum(row.count_of_hooks for row in certain)
            after = rows[-1].at, rows[-1].key, rows[-1].kind
        if ended:
            _log.info(
                "missing hooks are no longer only suspected", account=self._context.account, hooks=ended
            )
        return ended

    async def _record(self, rows: Sequence[Row[Any]], there: Unplaced) -> None:
        now = self._context.clock.now()
        await self._context.record(
            [task_settled(self._context.account, now, about(row), _events(row, there)) for row in rows]
        )

    async def _read(self) -> Unplaced:
        return await self._context.store.read(partial(unplaced, account=self._context.account))

    def _tell(self, tasks: int, there: Unplaced) -> None:
        now = self._context.clock.now()
        if 0 <= now - self._told_at < _TELL_EVERY_S:
            return
        self._told_at = now
        _log.warning(
            "hooks are missing, but perhaps not lost: deliveries of the account name no task or are set "
            "aside; see `receiver capture` and `receiver set-aside`, mend [aliases], then run "
            "`receiver reread`",
            account=self._context.account,
            tasks=tasks,
            name_no_task=sorted(there.deliveries),
            set_aside=sorted(there.set_aside),
        )


def _events(row: Row[Any], there: Unplaced) -> tuple[str, ...]:
    return there.events(row.ref, min(row.first_at, row.created_at or row.first_at) - _SKEW_S)


def _suspected(account: str, after: _Position, connection: Connection) -> Sequence[Row[Any]]:
    """The next suspected hooks, with what is needed of their tasks."""
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
