"""Group commit: what waits is committed together, hooks first; what they say is folded right behind.

Callers append to a line and wait; one loop takes the line, commits it in the store's writer thread and
answers every caller. There is no delay timer: while one batch commits, the next gathers.

A hook is acknowledged once it is on disk, before it is folded: its fact is marked as pending in the same
transaction, and whoever folds it takes the mark away in that of the timeline. So a burst is taken in as fast
as it comes, and a fault in the fold costs no hook.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import structlog

from receiver.domain.facts import Fact
from receiver.errors import StoreUnavailableError
from receiver.ledger import folding
from receiver.ledger.counting import count
from receiver.ledger.folding import TakenError
from receiver.ledger.line import Line, Waiting, settle
from receiver.ledger.pace import Pace
from receiver.metrics import Metrics
from receiver.store import statements
from receiver.store.backend import Arrival
from receiver.store.engine import Store

_log = structlog.get_logger("receiver.ledger")

FOLD_BATCH = 128
"""Facts folded in one transaction: a hook that comes meanwhile waits for it."""

_LULL_S = 0.002
"""How long to wait for more hooks before looking again whether there is time to fold."""

PEEK_S = 2.0
"""How often to look for facts which a receiver that died has left to be folded."""

_OTHER_FOLDS_S, _AFTER_FAILURE_S = 0.02, 0.5
"""Pauses in folding: while another receiver does, and while the store is in trouble."""

_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 0.05, 2.0
"""Once the store has failed, callers are turned away for so long; doubled with each failure in a row."""

_SLOW_S = 0.5
"""A failure that took longer is not only its batch's: whoever waits would wait as long for the same."""

Item = TypeVar("Item")
Work = Callable[[Sequence[Item]], Awaitable[None]]


class Ledger:
    """Records facts. `run()` must be running for its methods to return. `busy`: see `Pace`."""

    name = "ledger"

    def __init__(self, store: Store, metrics: Metrics, busy: Callable[[], float] = time.process_time) -> None:
        self._store = store
        self._metrics = metrics
        self._wake = asyncio.Event()
        self._hooks: Line[Arrival] = Line(self._wake)
        self._observations: Line[Sequence[Fact]] = Line(self._wake)
        self._probes: Line[str] = Line(self._wake)
        self._folded = asyncio.Event()
        self._fold_at = 0.0
        self._pace = Pace(busy)
        self._failures = 0
        self._closed_until = 0.0

    async def accept(self, arrival: Arrival) -> None:
        """Returns once the hook is on disk; it is folded soon after. Raises StoreUnavailableError where it
        should be sent again later, and StoreError where it is this very row that the store does not take.
        """
        self._require_open()
        await self._hooks.join(arrival, len(arrival.delivery.body) + len(arrival.delivery.headers))

    async def record(self, facts: Sequence[Fact]) -> None:
        """Returns once the facts are on disk and folded. Raises as `accept` does."""
        self._require_open()
        await self._observations.join(facts, 1000 * len(facts))

    async def probe(self, name: str) -> None:
        """Returns once a delivery of this id, which must be new, was kept and taken back. Raises as `accept`
        does.
        """
        self._require_open()
        await self._probes.join(name, len(name))

    async def caught_up(self) -> None:
        """Returns once every hook that was accepted is folded."""
        await self._folded.wait()

    async def run(self, stop: asyncio.Event) -> None:
        """Commit what waits, and fold, until `stop` is set and nothing is left to do."""
        self._folded.clear()  # what was left by an earlier life
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._wake.set())
        try:
            while not (stop.is_set() and self._is_idle()):
                await self._turn(stop)
        finally:
            stopping.cancel()
            self._turn_away(StoreUnavailableError("the receiver is stopping"))

    def _is_idle(self) -> bool:
        return not (self._hooks or self._observations or self._probes) and self._folded.is_set()

    def _turn_away(self, error: Exception) -> None:
        """Nobody waits any more."""
        self._hooks.turn_away(error)
        self._observations.turn_away(error)
        self._probes.turn_away(error)

    async def _turn(self, stop: asyncio.Event) -> None:
        """One transaction of each kind that has something to do, or a wait for more."""
        if hooks := self._hooks.take():
            self._pace.note_commit(await self._commit(hooks, self._append))
        if probes := self._probes.take():
            await self._commit(probes, self._probe)
        if self._observations and self._may_fold():
            await self._commit_observations()
        if not self._folded.is_set() and self._may_fold() and (stop.is_set() or self._pace.allows()):
            self._pace.note_fold(await self._fold(stop))
        elif not (self._is_awaited() or (stop.is_set() and self._is_idle())):
            await self._wait_for_more()

    def _may_fold(self) -> bool:
        """Nobody else was just at it, nor did it just fail. What is observed is folded in the same breath."""
        return _now() >= self._fold_at

    def _is_awaited(self) -> bool:
        """Somebody waits for what can be done at once."""
        return bool(self._hooks or self._probes or (self._observations and self._may_fold()))

    async def _wait_for_more(self) -> None:
        self._wake.clear()
        has_to_fold = self._observations or not self._folded.is_set()
        pause = max(self._fold_at - _now(), _LULL_S) if has_to_fold else PEEK_S
        try:
            await asyncio.wait_for(self._wake.wait(), pause)
        except TimeoutError:
            self._folded.clear()

    async def _commit_observations(self) -> None:
        """They are put back where another receiver folds: hooks go on meanwhile."""
        observations = self._observations.take()
        try:
            if observations:
                await self._commit(observations, self._record)
        except TakenError:
            self._observations.put_back(observations)
            self._fold_at = _now() + _OTHER_FOLDS_S

    async def _append(self, arrivals: Sequence[Arrival]) -> None:
        await self._store.append(arrivals)
        self._folded.clear()

    async def _record(self, batch: Sequence[Sequence[Fact]]) -> None:
        facts = [fact for some in batch for fact in some]
        for change in await self._store.write(lambda connection: folding.record(connection, facts)):
            count(self._metrics, change)

    async def _probe(self, names: Sequence[str]) -> None:
        await self._store.probe(names)

    async def _commit(self, batch: list[Waiting[Item]], work: Work[Item]) -> float:
        """Commit and answer all of them; the seconds that it took."""
        began = _now()
        try:
            await self._attempt(batch, work)
        except asyncio.CancelledError:
            settle(batch, StoreUnavailableError("the receiver is stopping"))
            raise
        self._metrics.intake_batch_size.observe(len(batch))
        self._metrics.intake_wait.observe(began - batch[0].since)
        took = _now() - began
        self._metrics.intake_commit.observe(took)
        return took

    async def _attempt(self, batch: list[Waiting[Item]], work: Work[Item]) -> StoreUnavailableError | None:
        """One transaction for all; where rows are at fault, each by itself: one takes no neighbour down.
        Returns the trouble of the store that nobody of the batch got past.
        """
        began = _now()
        try:
            await work([each.item for each in batch])
        except StoreUnavailableError as error:
            # Not each by itself: every one would wait for the store as long as this did.
            _log.error("store unavailable", turned_away=len(batch), problem=str(error))
            settle(batch, error)
            self._back_off()
            if _now() - began > _SLOW_S:
                self._turn_away(error)
            return error
        except TakenError:
            raise
        except Exception as error:
            if len(batch) > 1:
                return await self._attempt_each(batch, work)
            settle(batch, error)
        else:
            self._failures = 0
            settle(batch, None)
        return None

    async def _attempt_each(
        self, batch: list[Waiting[Item]], work: Work[Item]
    ) -> StoreUnavailableError | None:
        for number, each in enumerate(batch):
            if trouble := await self._attempt([each], work):
                settle(batch[number:], trouble)
                return trouble
        return None

    async def _fold(self, stop: asyncio.Event) -> float:
        """Fold some of what is pending; the seconds that it took. What fails then waits or is set aside."""
        began = _now()
        try:
            await self._fold_first()
        except StoreUnavailableError as error:
            _log.warning("not folded, will be tried again", problem=str(error))
            self._fold_at = _now() + _AFTER_FAILURE_S
            if stop.is_set():
                self._folded.set()  # the next life finds it
        return _now() - began

    async def _fold_first(self) -> None:
        """Fold the first that are pending. Raises StoreUnavailableError."""
        try:
            folded = await self._store.write(partial(folding.fold_some, most=FOLD_BATCH))
        except StoreUnavailableError:
            raise
        except Exception:
            await self._fold_one_by_one()
            return
        for change in folded.changes:
            count(self._metrics, change)
        if folded.is_taken:
            self._fold_at = _now() + _OTHER_FOLDS_S
        elif folded.facts < FOLD_BATCH:
            self._folded.set()

    async def _fold_one_by_one(self) -> None:
        """What cannot be folded is set aside: it stays in the ledger, and `rebuild` folds it once mended.
        Raises StoreUnavailableError.
        """
        for seq in await self._store.read(partial(statements.pending, most=FOLD_BATCH)):
            try:
                changes = await self._store.write(partial(folding.fold_these, seqs=[seq]))
            except StoreUnavailableError:
                raise
            except Exception:
                _log.exception("a fact cannot be folded and is set aside", seq=seq)
                await self._store.write(partial(statements.drop_pending, seqs=[seq]))
                self._metrics.fold_failures.inc()
            else:
                for change in changes:
                    count(self._metrics, change)

    def _require_open(self) -> None:
        if self._closed_until and _now() < self._closed_until:
            raise StoreUnavailableError("the store has failed time and again; try later")

    def _back_off(self) -> None:
        """After a second failure in a row nobody is let in for a while; folding would fail as well."""
        pause = min(_FIRST_BACKOFF_S * 2.0**self._failures, _LONGEST_BACKOFF_S)
        self._closed_until = _now() + pause if self._failures else 0.0
        self._failures = min(self._failures + 1, 10)
        self._fold_at = _now() + _AFTER_FAILURE_S


def _now() -> float:
    return asyncio.get_running_loop().time()
