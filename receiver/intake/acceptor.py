"""Accepts connections while there is room, a few in each turn of the event loop: older ones are read
first.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

import structlog

from receiver.observability.logs import RateLimitedLog

_log = structlog.get_logger("receiver.intake")

_AT_ONCE = 16
"""Connections that are accepted in one turn; the others wait in the system."""

_BACKLOG = 2048
"""Connections that wait in the system until they are accepted."""

_PAUSE_S = 0.02
"""Pause in seconds after there was no room."""


class SocketAcceptor:
    """Accepts connections on a socket until `close`. `connect`: makes the protocol of a connection; `room`:
    returns the number of free places.
    """

    def __init__(
        self, sock: socket.socket, connect: Callable[[], asyncio.Protocol], room: Callable[[], int]
    ) -> None:
        self._sock, self._connect, self._room = sock, connect, room
        self._loop = asyncio.get_running_loop()
        self._beginning: set[asyncio.Task[None]] = set()
        self._limited_log = RateLimitedLog(_log)
        self._is_closed = False
        sock.setblocking(False)
        sock.listen(_BACKLOG)
        self._go_on()

    async def close(self) -> None:
        """Stop to listen. Return once accepted connections have begun."""
        self._is_closed = True
        self._loop.remove_reader(self._sock)
        self._sock.close()
        if self._beginning:
            await asyncio.wait(self._beginning)

    def _go_on(self) -> None:
        if not self._is_closed:
            self._loop.add_reader(self._sock, self._accept)

    def _accept(self) -> None:
        room = self._room()
        if not room:
            self._pause()
        # Connections that are just beginning take up room, too.
        for _ in range(min(room - len(self._beginning), _AT_ONCE)):
            try:
                accepted, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._limited_log.warning("connections cannot be accepted", problem=error.strerror)
                self._pause()
                return
            beginning = self._loop.create_task(self._begin(accepted))
            self._beginning.add(beginning)
            beginning.add_done_callback(self._beginning.discard)

    def _pause(self) -> None:
        self._loop.remove_reader(self._sock)
        self._loop.call_later(_PAUSE_S, self._go_on)

    async def _begin(self, accepted: socket.socket) -> None:
        with suppress(OSError):  # the sender has left already
            await self._loop.connect_accepted_socket(self._connect, accepted)
