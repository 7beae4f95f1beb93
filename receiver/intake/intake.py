"""The intake: authentic hooks wait in a queue, are committed to the inbox together, and are then answered."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from random import Random
from typing import Protocol

import structlog

from receiver.errors import StoreError, StoreUnavailableError
from receiver.inbox.inbox import Inbox, RawHook
from receiver.inbox.refused import RefusalLog, Refused
from receiver.intake.access import Access
from receiver.ledger.backlog import Backlog
from receiver.ledger.commit_queue import TOO_LATE, CommitQueue, Submission
from receiver.ledger.throttle import Throttle
from receiver.observability.logs import RateLimitedLog
from receiver.observability.metrics import Metrics
from receiver.runtime.clock import Clock

log = structlog.get_logger("receiver.intake")

_STOPPING = "the receiver is stopping"


@dataclass(frozen=True, slots=True)
class IntakeRules:
    """Who may send hooks. `max_body`: bytes of a body that are stored."""

    access: Access
    max_body: int


@dataclass(frozen=True, slots=True)
class Outside:
    """What the intake gets from outside."""

    metrics: Metrics
    clock: Clock
    rng: Random


class HookSubmission(Submission, Protocol):
    """A request that waits for its commit."""

    def hook(self) -> RawHook | None:
        """Return the hook to store; None for a probe."""

    def settle(self, problem: Exception | None) -> None:
        """Answer the request: its hook is on disk, or is not because of `problem`."""


class Intake:
    """Commits hooks to the inbox and answers them. `unread`: the backlog of the inbox's reader."""

    name = "intake"

    def __init__(
        self, rules: IntakeRules, inbox: Inbox, unread: Backlog, throttle: Throttle, outside: Outside
    ) -> None:
        self.rules = rules
        self.metrics, self.clock, self.rng = outside.metrics, outside.clock, outside.rng
        self._inbox = inbox
        self._unread = unread
        self._throttle = throttle
        self._limited_log = RateLimitedLog(log)
        self.refusals = RefusalLog()
        self.queue: CommitQueue[HookSubmission] = CommitQueue(in_halves=inbox.is_remote)

    def submit(self, request: HookSubmission) -> None:
        """Queue a request for the next commit. Raises StoreUnavailableError."""
        try:
            self._inbox.require_room()
            self.queue.add(request)
        except StoreUnavailableError as error:
            self._limited_log.warning("hooks are answered 503", problem=str(error))
            raise

    def note_refused(self, refused: Refused, at: float) -> None:
        """Count and remember a request that was refused at `at`."""
        self.metrics.intake_refused.labels(refused.part).inc()
        self.refusals.note(refused, at)

    async def probe(self) -> None:
        """Return once an empty batch is on disk. Raises StoreUnavailableError if hooks cannot be stored
        now.
        """
        probe = _Probe()
        self.submit(probe)
        await probe.settled

    async def run(self, stop: asyncio.Event) -> None:
        """Commit and answer requests until `stop` is set and none waits."""
        try:
            async with aclosing(self.queue.batches(stop, self._inbox.turn)) as batches:
                async for batch, late in batches:
                    _settle(late, StoreUnavailableError(TOO_LATE))
                    if batch:
                        await self._commit(batch)
        finally:
            self.reject(StoreUnavailableError(_STOPPING))

    def reject(self, problem: StoreUnavailableError) -> None:
        """Answer all waiting requests that they cannot be stored."""
        _settle(self.queue.take_all(), problem)

    async def _commit(self, batch: Sequence[HookSubmission]) -> None:
        """Commit a batch, and answer it as soon as the next batch is on its way to the store."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        problem: Exception | None = None
        try:
            hooks = [hook for request in batch if (hook := request.hook()) is not None]
            await self._inbox.append(hooks, hooks[0].received_at if hooks else self.clock.now())
        except asyncio.CancelledError:
            _settle(batch, StoreUnavailableError(_STOPPING))
            raise
        except StoreError as error:
            # The batch is a document of ours: if the store does not take it, no hook is at fault.
            log.error("store unavailable", rejected=len(batch), problem=str(error))
            self.queue.note_failure()
            problem = StoreUnavailableError(str(error))
        except Exception as error:
            problem = error
        else:
            self.queue.note_commit()
            self._throttle.note_commit(loop.time() - began)
            self._unread.grow()
        # In the next turn of the loop, so that the next commit is under way meanwhile.
        loop.call_soon(_settle, batch, problem)
        self.metrics.intake_batch_size.observe(len(batch))
        self.metrics.intake_wait.observe(began - batch[0].since)
        self.metrics.intake_commit.observe(loop.time() - began)


class _Probe:
    """A submission without a hook. `settled`: done once it is committed."""

    size = 0

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.since = loop.time()
        self.settled: asyncio.Future[None] = loop.create_future()

    def hook(self) -> None:
        return None

    def settle(self, problem: Exception | None) -> None:
        if self.settled.done():
            return  # the caller has left
        if problem is None:
            self.settled.set_result(None)
        else:
            self.settled.set_exception(problem)


def _settle(requests: Iterable[HookSubmission], problem: Exception | None) -> None:
    for request in requests:
        request.settle(problem)
