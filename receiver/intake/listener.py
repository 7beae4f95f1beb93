"""The hook listener: the number of connections, their deadlines, and the graceful stop."""

import asyncio
import os
import re
import resource
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from typing import Literal, Protocol

import structlog

from receiver.domain.masking import mask_text
from receiver.intake.intake import Intake
from receiver.observability.logs import RateLimitedLog

_log = structlog.get_logger("receiver.intake")

_TICK_S = 0.5
"""Interval in seconds at which deadlines of connections are checked."""

_FEW = 4
"""Divisor of the connection limit. At the limit, connections without an authentic request are closed before
idle ones of senders, unless they are fewer than this share: a new sender is a stranger at first, too.
"""

_GRACE_S = 0.1
"""Seconds for which a new connection is not closed to make room."""

_SPARE_FILES = 64
"""Open files reserved for the store, the API and deliveries."""

_SHOWN_PATH = re.compile(rb"[A-Z]+ +((?:/[!-%\'-.0->@-~]{0,40}){1,3})")
"""The beginning of a path, which contains no secret."""


Phase = Literal["idle", "head", "body", "answer", "unread"]
"""What a connection waits for: the next request, the rest of a head or of a body, our answer, or the sender
to read its answers.
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits in seconds, bytes and connections. See `ListenerSettings`."""

    max_connections: int
    max_head_bytes: int
    head_s: float
    body_s: float
    idle_s: float


class Connection(Protocol):
    """A connection as the listener sees it. See `HookConnection`."""

    since: float

    @property
    def is_busy(self) -> bool: ...
    @property
    def phase(self) -> Phase: ...
    def time_out(self) -> None: ...
    def close(self) -> None: ...
    def drop(self) -> None: ...


class Acceptor(Protocol):
    """Accepts connections until it is closed."""

    async def close(self) -> None: ...


Accept = Callable[[Callable[[], asyncio.Protocol], Callable[[], int]], Acceptor]
"""Starts to accept connections. Arguments: the factory of protocols, and the number of free places."""


class HookListener:
    """Accepts connections while it runs, and closes them at their deadlines and at the limit."""

    def __init__(self, intake: Intake, limits: Limits) -> None:
        self.intake = intake
        self.limits = limits
        self.is_draining = False
        self.tail = self.closing_tail = b""
        self._most = limits.max_connections
        self._deadlines = {
            "head": limits.head_s,
            "body": limits.body_s,
            "idle": limits.idle_s,
            "unread": limits.idle_s,
        }
        self._connections: set[Connection] = set()
        self._idle: dict[Connection, None] = {}
        """Connections of senders, the longest idle one first; busy ones are skipped."""
        self._strangers: dict[Connection, None] = {}
        """Connections without an authentic request so far, the oldest first."""
        self._limited_log = RateLimitedLog(_log)
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self._gone = asyncio.Event()
        self._write_tails()

    def start(self, accept: Accept, connect: Callable[["HookListener"], asyncio.Protocol]) -> None:
        """Start to accept connections. `connect`: makes the protocol of one."""
        self._most = min(self.limits.max_connections, _files_allowed(self.limits.max_connections))
        self._acceptor = accept(lambda: connect(self), self.room)
        self._ticking = asyncio.create_task(self._tick(), name="listener")

    async def drain(self, deadline_s: float) -> None:
        """Accept no more connections, answer the requests under way, and close the rest after the
        deadline.
        """
        self.is_draining = True
        await self._acceptor.close()
        for connection in list(self._connections):
            if connection.phase == "idle":
                connection.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                while self._connections:
                    self._gone.clear()
                    await self._gone.wait()
        for connection in list(self._connections):
            connection.drop()
        self._ticking.cancel()

    def room(self) -> int:
        """Return the number of connections that can be accepted, also by closing another one."""
        if len(self._connections) < self._most:
            return self._most - len(self._connections)
        self._note_full()
        victim = self._next_victim()
        if victim is None:
            return 0
        return 1 if victim not in self._strangers or self.now() - victim.since > _GRACE_S else 0

    # Called by connections

    def opened(self, connection: Connection) -> None:
        """Add a new connection; beyond the limit another one is closed."""
        self._connections.add(connection)
        self._strangers[connection] = None
        self.intake.metrics.connections = len(self._connections)
        if len(self._connections) > self._most and (victim := self._next_victim()):
            self._note_full()
            self._close_one("limit", victim)

    def trust(self, connection: Connection) -> None:
        """The connection has brought an authentic request."""
        self._strangers.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        """All requests of the connection are answered."""
        if connection in self._connections and connection not in self._strangers:
            self._idle.pop(connection, None)
            self._idle[connection] = None

    def closed(self, connection: Connection) -> None:
        """Remove a connection that has ended."""
        self._connections.discard(connection)
        self._strangers.pop(connection, None)
        self._idle.pop(connection, None)
        self.intake.metrics.connections = len(self._connections)
        self._gone.set()

    def note_malformed(self, peer: str | None, data: bytes) -> None:
        """Log that bytes are not HTTP. Only the beginning of the path is logged, since a token may follow."""
        shown = _SHOWN_PATH.match(data)
        path = mask_text(shown[1].decode("ascii", "replace")) + "/…" if shown else "(no path)"
        self._limited_log.warning("a request cannot be parsed and is refused", peer=peer, path=path)

    def note_fault(self, error: Exception) -> None:
        """Log an error of the receiver itself."""
        _log.error("a request was not handled", exc_info=error)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._write_tails()
            now = self.now()
            for connection in list(self._connections):
                phase = connection.phase
                if now - connection.since > self._deadlines.get(phase, now):
                    self._count_closed(f"{phase}_timeout")
                    connection.time_out()

    def _next_victim(self) -> Connection | None:
        """Return the connection to close for a new one: the oldest stranger, or if there are few of them, the
        longest idle connection of a sender. None if all are busy.
        """
        are_few = len(self._strangers) <= self._most // _FEW
        while self._idle and (first := next(iter(self._idle))).is_busy:
            del self._idle[first]  # it is added again when it is idle
        return next(iter(self._idle if are_few and self._idle else self._strangers), None)

    def _note_full(self) -> None:
        self._limited_log.warning(
            "connections are at their limit: idle ones are closed; raise listener.max_connections and "
            "the limit of open files, or have a proxy in front keep fewer",
            limit=self._most,
        )

    def _close_one(self, reason: str, connection: Connection) -> None:
        self._count_closed(reason)
        self._strangers.pop(connection, None)
        self._idle.pop(connection, None)
        connection.drop()

    def _count_closed(self, reason: str) -> None:
        self.intake.metrics.connections_closed.labels(reason).inc()

    def _write_tails(self) -> None:
        """Prepare the end of each answer's headers, with the date."""
        date = f"\r\ndate: {formatdate(usegmt=True)}".encode()
        self.tail = date + b"\r\n\r\n"
        self.closing_tail = date + b"\r\nconnection: close\r\n\r\n"


def _files_allowed(wanted: int) -> int:
    """Return how many connections the limit of open files allows; the soft limit is raised first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY:
        most = 2**20 if hard == resource.RLIM_INFINITY else hard
        raised = min(most, max(soft, wanted + 2 * _SPARE_FILES))
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
        return max(1, soft - _open_files() - _SPARE_FILES)
    return wanted


def _open_files() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return _SPARE_FILES
