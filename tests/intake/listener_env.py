"""A hook listener in virtual time: its connections are in memory, and so is the inbox behind it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from random import Random

from receiver.inbox.inbox import Level, RawHook, Taken
from receiver.inbox.refused import RefusedRequests
from receiver.intake.access import Access
from receiver.intake.connection import HookConnection
from receiver.intake.intake import Intake, IntakeRules, Outside
from receiver.intake.listener import HookListener, Limits
from receiver.ledger.backlog import Backlog
from receiver.ledger.throttle import Throttle
from receiver.observability.metrics import Metrics
from tests.intake.intake_env import FIXED, SIGNER, path_of
from tests.intake.memory import PEER, Line
from tests.intake.wired import LIMITS, never_busy
from tests.simulation.loop import SimulatedClock

MAX_BODY = 1_000
FORGED = "/hooks/main/before/r1/new.forged"


class MemoryAcceptor:
    """Makes connections until it is closed."""

    def __init__(self, connect: Callable[[], asyncio.Protocol]) -> None:
        self._connect: Callable[[], asyncio.Protocol] | None = connect

    def connect(self) -> asyncio.Protocol:
        if self._connect is None:
            raise ConnectionRefusedError
        return self._connect()

    async def close(self) -> None:
        self._connect = None


class ScriptedInbox:
    """Keeps hooks as the test wants it. `opened`: appends wait for it; `takes_s`: how long each takes;
    `problem`: what they raise.
    """

    def __init__(self) -> None:
        self.is_remote, self.turn = False, asyncio.Lock()
        self.level = Level(0, 0, None)
        self.hooks: list[RawHook] = []
        self.opened = asyncio.Event()
        self.opened.set()
        self.takes_s = 0.001
        self.problem: Exception | None = None

    def require_room(self) -> None:
        pass

    async def append(self, hooks: Sequence[RawHook], at: float) -> None:
        await asyncio.sleep(self.takes_s)
        await self.opened.wait()
        if self.problem:
            raise self.problem
        self.hooks += hooks

    def take(self, most: int, without: Collection[int] = ()) -> AbstractAsyncContextManager[Taken]:
        raise NotImplementedError

    async def measure(self) -> Level:
        raise NotImplementedError


@dataclass(frozen=True)
class ListenerEnv:
    """`acceptor`: where its connections begin."""

    listener: HookListener
    inbox: ScriptedInbox
    metrics: Metrics
    acceptor: MemoryAcceptor

    def connect(self, peer: str = PEER) -> Line:
        return Line(self.acceptor.connect, peer)

    def counted(self, outcome: str, event: str = "before") -> float:
        """Requests that were answered so."""
        return self._sample("intake_requests_total", event=event, outcome=outcome)

    def closed(self, reason: str) -> float:
        """Connections that the listener closed for this."""
        return self._sample("intake_connections_closed_total", reason=reason)

    def refused_parts(self, part: str) -> float:
        """Requests that were refused for this part."""
        return self._sample("intake_refused_total", part=part)

    def refused(self) -> list[RefusedRequests]:
        """The refused requests that are remembered, the latest first."""
        return self.listener.intake.refusals.latest()

    @property
    def connections(self) -> float:
        return self._sample("intake_connections")

    @property
    def in_flight(self) -> float:
        return self._sample("intake_in_flight_requests")

    @property
    def bodies(self) -> list[bytes]:
        """The bodies of the hooks that were kept."""
        return [hook.body for hook in self.inbox.hooks]

    def _sample(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"callback_{name}", labels) or 0.0


def post(path: str, body: bytes = b"id=7", *lines: str, version: str = "1.1") -> bytes:
    """A POST with its length."""
    head = (f"POST {path} HTTP/{version}", "Host: x", *lines, f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def get(path: str, *lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    """A request without a body."""
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: x", *lines, "", ""]).encode("latin-1")


def chunked(path: str, body: bytes) -> bytes:
    """A POST whose body is this text of chunks."""
    lines = (f"POST {path} HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", "", "")
    return "\r\n".join(lines).encode() + body


def hook(ref: str = "r1") -> str:
    """The path of a minted URL."""
    return path_of("before", ref)


@asynccontextmanager
async def listening(limits: Limits = LIMITS, max_body: int = MAX_BODY) -> AsyncIterator[ListenerEnv]:
    """A listener with these limits."""
    acceptors: list[MemoryAcceptor] = []

    def accept(connect: Callable[[], asyncio.Protocol], _room: object) -> MemoryAcceptor:
        acceptors.append(MemoryAcceptor(connect))
        return acceptors[0]

    inbox, metrics, stop = ScriptedInbox(), Metrics(), asyncio.Event()
    rules = IntakeRules(Access(SIGNER, FIXED), max_body)
    outside = Outside(metrics, SimulatedClock(), Random(1))
    intake = Intake(rules, inbox, Backlog(), Throttle(never_busy), outside)
    listener = HookListener(intake, limits)
    listener.start(accept, HookConnection)
    running = asyncio.create_task(intake.run(stop))
    try:
        yield ListenerEnv(listener, inbox, metrics, acceptors[0])
    finally:
        inbox.opened.set()
        await listener.drain(0.0)
        stop.set()
        await running
