"""The backlog: facts that are on disk and not folded yet. It is worked off as there is time."""

import asyncio
from functools import partial
from typing import NamedTuple

import structlog

from receiver.domain.fold import Fold
from receiver.errors import StoreUnavailableError
from receiver.ledger import folding
from receiver.ledger.counting import count
from receiver.ledger.group_commit import Trouble
from receiver.ledger.pace import Pace
from receiver.metrics import Metrics
from receiver.store import statements
from receiver.store.engine import Store

_log = structlog.get_logger("receiver.ledger")

FOLD_BATCH, BUSY_FOLD_BATCH = 256, 16
"""Facts folded in one transaction; and while hooks come in, which on SQLite wait for it."""

_BUSY_S = 0.05
"""So long after a commit more hooks are expected."""

_LULL_S = 0.002
"""How long to wait before looking again whether there is time to fold."""

PEEK_S = 2.0
"""How often to look for facts which a receiver that died has left to be folded."""

OTHER_FOLDS_S, _AFTER_FAILURE_S = 0.02, 0.5
"""Pauses in folding: while another receiver does, and while the store is in trouble."""


class Work(NamedTuple):
    """`turn`: see `GroupCommit`; `fold`: what folds one task."""

    turn: asyncio.Lock
    fold: Fold


class Backlog:
    """Folds what is pending. `run()` must be running for `caught_up()` to return. `trouble`: see
    `GroupCommit`.
    """

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        pace: Pace,
        work: Work,
        trouble: Trouble,
    ) -> None:
        self._store = store
        self._turn, self._fold_task = work
        self._metrics = metrics
        self._trouble = trouble
        self._pace = pace
        self._grown = asyncio.Event()
        self._growth = 0
        self._folded = asyncio.Event()
        self._busy_until = self._rest_until = 0.0

    def note_commit(self, seconds: float) -> None:
        """Facts were appended, which took so long."""
        self._pace.note_commit(seconds)
        self._busy_until = _now() + _BUSY_S
        self._growth += 1
        self._folded.clear()
        self._grown.set()

    def rest(self) -> None:
        """The store has failed: to fold now would fail as well, and hold up who tries again."""
        self._rest_until = _now() + _AFTER_FAILURE_S

    async def caught_up(self) -> None:
        """Returns once every fact that was appended is folded."""
        await self._folded.wait()

    async def run(self, stop: asyncio.Event) -> None:
        """Fold until `stop` is set and nothing is left, or the store is in trouble."""
        self._folded.clear()  # what was left by an earlier life
        while not (stop.is_set() and self._folded.is_set()):
            if self._folded.is_set():
                await self._wait_for_more(stop)
            elif (pause := self._rest_until - _now()) > 0:
                await asyncio.sleep(pause)
            elif not (stop.is_set() or self._pace.allows()):
                await asyncio.sleep(_LULL_S)
            elif not await self._fold() and stop.is_set():
                return  # the next life finds what is left

    async def _wait_for_more(self, stop: asyncio.Event) -> None:
        self._grown.clear()
        waits = [asyncio.create_task(each.wait()) for each in (self._grown, stop)]
        done, _ = await asyncio.wait(waits, timeout=PEEK_S, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if not done and await self._is_something_left():
            self._folded.clear()

    async def _is_something_left(self) -> bool:
        """By another one, that is. A read, since it is asked time and again, and mostly in vain."""
        try:
            return bool(await self._store.read(partial(statements.pending, most=1)))
        except StoreUnavailableError:
            return False

    async def _fold(self) -> bool:
        """Fold some of what is pending. False where the store is in trouble."""
        async with self._turn:
            began = _now()
            try:
                await self._fold_first(BUSY_FOLD_BATCH if began < self._busy_until else FOLD_BATCH)
            except StoreUnavailableError as error:
                _log.warning("not folded, will be tried again", problem=str(error))
                self._trouble(error, _now() - began)
                return False
            finally:
                self._pace.note_fold(_now() - began)
            return True

    async def _fold_first(self, most: int) -> None:
        """Fold the first that are pending. Raises StoreUnavailableError."""
        growth = self._growth
        try:
            folded = await self._store.write(partial(folding.fold_some, most=most, fold=self._fold_task))
        except StoreUnavailableError:
            raise
        except Exception:
            await self._fold_one_by_one(most)
            return
        for change in folded.changes:
            count(self._metrics, change)
        if folded.is_taken:
            self._rest_until = _now() + OTHER_FOLDS_S
        elif folded.facts < most and growth == self._growth:  # what was appended meanwhile may not be seen
            self._folded.set()

    async def _fold_one_by_one(self, most: int) -> None:
        """What cannot be folded is set aside: it stays in the ledger, and `rebuild` folds it once mended.
        Raises StoreUnavailableError.
        """
        for seq in await self._store.read(partial(statements.pending, most=most)):
            try:
                changes = await self._store.write(
                    partial(folding.fold_these, seqs=[seq], fold=self._fold_task)
                )
            except StoreUnavailableError:
                raise
            except Exception:
                _log.exception("a fact cannot be folded and is set aside", seq=seq)
                await self._store.write(partial(statements.drop_pending, seqs=[seq]))
                self._metrics.fold_failures.inc()
            else:
                for change in changes:
                    count(self._metrics, change)


def _now() -> float:
    return asyncio.get_running_loop().time()
