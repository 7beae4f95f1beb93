"""The folder: a worker that folds dirty tasks."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

import structlog
from sqlalchemy import Connection

from receiver.errors import StoreUnavailableError
from receiver.ledger import dirty
from receiver.ledger.backlog import Background, Backlog
from receiver.ledger.dirty import DirtyTask
from receiver.ledger.fold_metrics import count
from receiver.ledger.ledger import OTHER_FOLDS_S
from receiver.ledger.postponed import TOGETHER, Postponed
from receiver.ledger.problems import where_from
from receiver.ledger.projector import Projector
from receiver.ledger.throttle import BatchSize

_log = structlog.get_logger("receiver.ledger")

LEAST, MOST = 4, 256
"""Minimum and maximum number of tasks in one transaction."""

PEEK_S = 2.0
"""Seconds between looks for tasks that another receiver left dirty, or that are to be retried."""


_IN_VAIN = 3
"""Number of tasks over which the store fails before the rest is left for later: the store is the reason."""


class Folder:
    """Folds dirty tasks."""

    name = "folder"

    def __init__(self, background: Background, projector: Projector) -> None:
        self._store, self._metrics = background.store, background.metrics
        self._throttle, self._clock = background.throttle, background.clock
        self._projector = projector
        self._size = BatchSize(LEAST, MOST)
        self._other_folds = False
        self._failures = 0
        self._postponed = Postponed[DirtyTask]()
        self.backlog = Backlog()

    async def run(self, stop: asyncio.Event) -> None:
        """Fold until `stop` is set and nothing is left, or the store is in trouble."""
        while not self.backlog.is_over(stop):
            if self.backlog.is_empty:
                if not await self.backlog.wait_for_more(stop, PEEK_S):
                    await self._peek()
                continue
            async with self._throttle.turn(stop):
                is_well = await self._step()
            if not is_well:
                await self.backlog.rest(stop)
            elif self._other_folds:  # outside the turn: the reader goes on meanwhile
                await asyncio.sleep(OTHER_FOLDS_S)

    async def retry_all(self) -> None:
        """Let every set-aside task be retried now."""
        await self._store.write(dirty.retry_all)
        self._postponed.clear()
        self.backlog.grow()

    async def _peek(self) -> None:
        """Look for tasks that another receiver left dirty. A read, since there are mostly none."""
        with suppress(StoreUnavailableError):
            if await self._store.read(self._due(1)):
                self.backlog.grow()

    async def _step(self) -> bool:
        """Fold some tasks. Return False if the store fails, or only postponed tasks are left."""
        most = self._size.within(self._throttle.length_s)
        try:
            if self._failures < TOGETHER:
                is_well = await self._fold_some(most)
            else:
                is_well = await self._fold_one_by_one(most)
        except StoreUnavailableError as error:
            self._failures += 1
            _log.warning("not folded, will be tried again", problem=str(error))
            return False
        self._failures = 0
        return is_well

    def _due(self, most: int) -> Callable[[Connection], list[DirtyTask]]:
        return partial(dirty.due, now=self._clock.now(), limit=most, without=self._postponed.now(_now()))

    async def _fold_some(self, most: int) -> bool:
        growth, began, now = self.backlog.growth, _now(), self._clock.now()
        without = self._postponed.now(began)
        work = partial(self._projector.fold_due, limit=most, now=now, without=without)
        try:
            folded = await self._store.write(work)
        except StoreUnavailableError:
            raise
        except Exception:
            return await self._fold_one_by_one(most)
        self._postponed.forget_past(began)
        self._size.note(folded.dirty, _now() - began)
        for task in folded.tasks:
            count(self._metrics, task)
        self._other_folds = folded.is_busy
        if folded.dirty < most and not folded.is_busy and not without:
            self.backlog.shrink(growth)
        return folded.dirty > 0 or not without

    async def _fold_one_by_one(self, most: int) -> bool:
        """Fold each task in its own transaction. A task that fails is set aside; a task over which the store
        fails is postponed. Raise StoreUnavailableError if the store fails over all tasks.
        """
        failed: dict[DirtyTask, StoreUnavailableError] = {}
        done = 0
        for task in await self._store.read(self._due(most)):
            try:
                await self._fold_one(task)
            except StoreUnavailableError as error:
                failed[task] = error
                if len(failed) == _IN_VAIN:
                    break
            else:
                done += 1
        self._postpone(failed, is_only=done > 0)
        if failed and (not done or len(failed) == _IN_VAIN):
            raise next(iter(failed.values()))
        return True

    async def _fold_one(self, task: DirtyTask) -> None:
        work = partial(self._projector.fold_tasks, tasks=[task])
        try:
            folded = await self._store.write(work)
        except StoreUnavailableError:
            raise
        except Exception as error:
            await self._set_aside(task, error)
        else:
            for each in folded:
                count(self._metrics, each)

    def _postpone(self, failed: Mapping[DirtyTask, StoreUnavailableError], *, is_only: bool) -> None:
        for task, error in failed.items():
            self._postponed.add(task, _now(), is_only=is_only)
            if is_only:
                _log.warning(
                    "the store fails over a task, others go first for a while",
                    account=task.account,
                    task=task.name,
                    problem=str(error),
                )

    async def _set_aside(self, task: DirtyTask, error: Exception) -> None:
        problem = where_from(error)
        _log.error(
            "a task cannot be folded and is set aside; see `receiver set-aside`",
            account=task.account,
            task=task.name,
            problem=problem,
            exc_info=error,
        )
        now = self._clock.now()
        await self._store.write(partial(dirty.set_aside, task=task, problem=problem, now=now))
        self._metrics.fold_failures.inc()


def _now() -> float:
    return asyncio.get_running_loop().time()
