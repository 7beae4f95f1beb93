"""The ledger's writer: observations of the API are committed in groups and folded in the same transaction.

Hooks get into the ledger through the inbox (see `receiver.inbox.reader`) and are folded by `Folder`.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from functools import partial

import structlog

from receiver.domain.facts import Fact
from receiver.errors import StoreUnavailableError
from receiver.ledger.commit_queue import MAX_WAIT_S, TOO_LATE, CommitQueue
from receiver.ledger.fold_metrics import count
from receiver.ledger.projector import Projector
from receiver.observability.metrics import Metrics
from receiver.storage.engine import Store

_log = structlog.get_logger("receiver.ledger")

_FACT_BYTES = 1000
"""Rough size of a fact in bytes."""

OTHER_FOLDS_S = 0.02
"""Pause in seconds while another receiver folds."""


class _Observation:
    """Facts that one caller records together."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        loop = asyncio.get_running_loop()
        self.facts = facts
        self.size = _FACT_BYTES * len(facts)
        self.since = loop.time()
        self.recorded: asyncio.Future[None] = loop.create_future()

    def settle(self, problem: Exception | None) -> None:
        if self.recorded.done():
            return  # the caller has gone
        if problem is None:
            self.recorded.set_result(None)
        else:
            self.recorded.set_exception(problem)


class Ledger:
    """Records observations. `run()` must be running for `record` to return."""

    name = "ledger"

    def __init__(self, store: Store, metrics: Metrics, projector: Projector) -> None:
        self._store = store
        self._projector = projector
        self._metrics = metrics
        self._queue: CommitQueue[_Observation] = CommitQueue()
        store.when_unavailable(self._reject)

    async def record(self, facts: Sequence[Fact]) -> None:
        """Return once the facts are on disk and folded. Raise StoreUnavailableError if the caller should
        retry later, StoreError if the store refuses these facts.
        """
        observation = _Observation(facts)
        self._queue.add(observation)
        await observation.recorded

    async def run(self, stop: asyncio.Event) -> None:
        """Commit waiting observations until `stop` is set and none is left."""
        try:
            async with aclosing(self._queue.batches(stop, asyncio.Lock())) as batches:
                async for batch, late in batches:
                    _settle(late, StoreUnavailableError(TOO_LATE))
                    if batch:
                        await self._commit(batch)
        finally:
            self._reject(StoreUnavailableError("the receiver is stopping"))

    def _reject(self, problem: StoreUnavailableError) -> None:
        """Fail all observations that wait."""
        _settle(self._queue.take_all(), problem)

    async def _commit(self, batch: Sequence[_Observation]) -> None:
        """Commit and settle a batch; if the store refuses facts, each observation by itself."""
        try:
            await self._record([fact for each in batch for fact in each.facts])
        except asyncio.CancelledError:
            _settle(batch, StoreUnavailableError("the receiver is stopping"))
            raise
        except StoreUnavailableError as error:
            _log.error("store unavailable", rejected=len(batch), problem=str(error))
            self._queue.note_failure()
            _settle(batch, error)
        except Exception as error:
            await self._commit_each(batch, error)
        else:
            self._queue.note_commit()
            _settle(batch, None)

    async def _commit_each(self, batch: Sequence[_Observation], error: Exception) -> None:
        if len(batch) == 1:
            _settle(batch, error)
            return
        for number, each in enumerate(batch):
            try:
                await self._commit([each])
            except asyncio.CancelledError:
                _settle(batch[number:], StoreUnavailableError("the receiver is stopping"))
                raise

    async def _record(self, facts: Sequence[Fact]) -> None:
        until = asyncio.get_running_loop().time() + MAX_WAIT_S
        work = partial(self._projector.record, facts=facts)
        while (folded := await self._store.write(work)) is None:
            if asyncio.get_running_loop().time() > until:
                raise StoreUnavailableError("another receiver has been folding for too long")
            await asyncio.sleep(OTHER_FOLDS_S)
        for task in folded:
            count(self._metrics, task)


def _settle(observations: Iterable[_Observation], problem: Exception | None) -> None:
    for observation in observations:
        observation.settle(problem)
