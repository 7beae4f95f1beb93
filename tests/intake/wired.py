"""Everything that a hook passes through on its way to a timeline, wired as `Receiver` does it."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from random import Random
from unittest.mock import patch

from receiver.domain.fields import DEFAULT_ALIASES, FieldReader
from receiver.inbox import reader
from receiver.inbox.inbox import StoreInbox
from receiver.inbox.reader import InboxReader
from receiver.intake.access import Access
from receiver.intake.connection import HookConnection
from receiver.intake.intake import Intake, IntakeRules, Outside
from receiver.intake.listener import HookListener, Limits
from receiver.ledger import folder
from receiver.ledger.backlog import Background
from receiver.ledger.folder import Folder
from receiver.ledger.ledger import Ledger
from receiver.ledger.throttle import Throttle
from receiver.observability.metrics import Metrics
from receiver.runtime.clock import Clock
from receiver.runtime.workers import Worker
from receiver.storage.engine import Store
from tests.intake.memory import PEER
from tests.intake.transport import HookTransport
from tests.ledger.projecting import PROJECTOR

LIMITS = Limits(max_connections=1000, max_head_bytes=32_768, head_s=10.0, body_s=30.0, idle_s=75.0)


def never_busy() -> float:
    """No processor time was used: reading and folding need not wait for an idle moment."""
    return 0.0


@dataclass
class Wired:
    """One receiver's way in, for one event loop. `rng`: of the ids."""

    store: Store
    clock: Clock
    access: Access
    rng: Random = field(default_factory=lambda: Random(1))
    max_body: int = 65_536
    limits: Limits = LIMITS
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        throttle = Throttle(never_busy)
        background = Background(self.store, self.metrics, throttle, self.clock)
        self.ledger = Ledger(self.store, self.metrics, PROJECTOR)
        self.inbox = StoreInbox(self.store, max_hooks=1_000_000, max_bytes=2**30)
        self.folder = Folder(background, PROJECTOR)
        self.reader = InboxReader(self.inbox, FieldReader(DEFAULT_ALIASES), background, self.folder.backlog)
        rules, outside = IntakeRules(self.access, self.max_body), Outside(self.metrics, self.clock, self.rng)
        self.intake = Intake(rules, self.inbox, self.reader.backlog, throttle, outside)
        self.store.when_unavailable(self.intake.reject)
        self.listener = HookListener(self.intake, self.limits)

    @property
    def workers(self) -> list[Worker]:
        return [self.ledger, self.folder, self.reader, self.intake]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run all workers. At the end those stop first whose work others take further."""
        async with AsyncExitStack() as stack:
            for worker in self.workers:
                await stack.enter_async_context(_running(worker))
            yield

    async def caught_up(self) -> None:
        """Returns once every hook that was acknowledged is read and folded."""
        await self.reader.backlog.wait_until_empty()
        await self.folder.backlog.wait_until_empty()

    def connect(self) -> HookConnection:
        """The receiver's end of a new connection."""
        return HookConnection(self.listener)

    def transport(self, peer: str = PEER) -> HookTransport:
        """A client's way to the listener, from the address `peer`."""
        return HookTransport(self.connect, peer)

    def sample(self, name: str, labels: Mapping[str, str]) -> float:
        """A metric's value now."""
        return self.metrics.registry.get_sample_value(f"callback_{name}", dict(labels)) or 0.0


@contextmanager
def peeking_rarely() -> Iterator[None]:
    """Reader and folder seldom look for what another receiver has left: in virtual time hours pass in which
    nothing happens.
    """
    with patch.object(reader, "PEEK_S", 600.0), patch.object(folder, "PEEK_S", 600.0):
        yield


@asynccontextmanager
async def _running(worker: Worker) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(stop), name=worker.name)
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)
