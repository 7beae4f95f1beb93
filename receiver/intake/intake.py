"""The intake: authentic hooks wait in a queue, are committed to the inbox together, and are then answered."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from random import Random
from typing import Protocol

import structlog

from receiver.errors import StoreError, StoreUnavailableError
from receiver.inbox.batch import RawHook
from receiver.inbox.inbox import Inbox
from receiver.inbox.refused import RefusalLog, Refused
from receiver.intake.access import Access
from receiver.ledger.backlog import Backlog
from receiver.ledger.commit_queue import CommitQueue, Submission, settle
from receiver.ledger.throttle import Throttle
from receiver.observability.logs import Seldom
from receiver.observability.metrics import Metrics
from receiver.runtime.clock import Clock

_log = structlog.get_logger("receiver.intake")


@dataclass(frozen=True, slots=True)
class IntakeRules:
    """Who may send hooks. `max_body`: bytes of a body that are kept."""

    access: Access
    max_body: int


@dataclass(frozen=True, slots=True)
class Outside:
    """What is handed to the intake from outside."""

    metrics: Metrics
    clock: Clock
    rng: Random


class HookSubmission(Submission, Protocol):
    """A request that waits for its commit. `hook`: None for one that only tries whether that works."""

    @property
    def hook(self) -> RawHook | None: ...


class Intake:
    """Commits hooks to the inbox. `unread`: the backlog of who reads them."""

    name = "intake"

    def __init__(
        self, rules: IntakeRules, inbox: Inbox, unread: Backlog, throttle: Throttle, outside: Outside
    ) -> None:
        self.rules = rules
        self.metrics, self.clock, self.rng = outside.metrics, outside.clock, outside.rng
        self._inbox = inbox
        self._unread = unread
        self._throttle = throttle
        self._seldom = Seldom(_log)
        self.refusals = RefusalLog()
        self.queue: CommitQueue[HookSubmission] = CommitQueue(in_halves=inbox.is_remote)

    def submit(self, request: HookSubmission) -> None:
        """Let it wait for its commit, after which it is settled. Raises StoreUnavailableError."""
        try:
            self._inbox.require_room()
            self.queue.add(request)
        except StoreUnavailableError as error:
            self._seldom.warning("hooks are answered 503", problem=str(error))
            raise

    def note_refused(self, refused: Refused, at: float) -> None:
        """Count a request that was refused at `at`, and keep what may be told of it."""
        self.metrics.intake_refused.labels(refused.part).inc()
        self.refusals.note(refused, at)

    async def probe(self) -> None:
        """Returns once an empty batch is on disk. Raises StoreUnavailableError where no hook would be."""
        probe = _Probe()
        self.submit(probe)
        await probe.settled

    async def run(self, stop: asyncio.Event) -> None:
        """Commit what waits until `stop` is set and nothing does."""
        async with aclosing(self.queue.batches(stop, self._inbox.turn)) as batches:
            async for batch in batches:
                await self._commit(batch)

    async def _commit(self, batch: Sequence[HookSubmission]) -> None:
        """Commit a batch, and let it be settled as soon as the next one is on its way to the store."""
        began = _now()
        problem: Exception | None = None
        try:
            hooks = [request.hook for request in batch if request.hook is not None]
            await self._inbox.append(hooks, hooks[0].received_at if hooks else self.clock.now())
        except asyncio.CancelledError:
            settle(batch, StoreUnavailableError("the receiver is stopping"))
            raise
        except StoreError as error:
            # A batch is a document of ours: if the store does not take it, no hook is at fault.
            _log.error("store unavailable", rejected=len(batch), problem=str(error))
            self.queue.note_failure()
            problem = StoreUnavailableError(str(error))
        except Exception as error:
            problem = error
        else:
            self.queue.note_commit()
            self._throttle.note_commit(_now() - began)
            self._unread.grow()
        # Not here and now, so that the next commit is under way meanwhile.
        asyncio.get_running_loop().call_soon(settle, batch, problem)
        self.metrics.intake_batch_size.observe(len(batch))
        self.metrics.intake_wait.observe(began - batch[0].since)
        self.metrics.intake_commit.observe(_now() - began)


class _Probe:
    """A submission without a hook."""

    hook = None
    size = 0

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.since = loop.time()
        self.settled: asyncio.Future[None] = loop.create_future()

    def settle(self, problem: Exception | None) -> None:
        if self.settled.done():
            return  # the caller has gone
        if problem is None:
            self.settled.set_result(None)
        else:
            self.settled.set_exception(problem)


def _now() -> float:
    return asyncio.get_running_loop().time()
