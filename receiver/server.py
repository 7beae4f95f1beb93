"""The server: uvicorn around the application, with a graceful stop that drains."""

import asyncio
import gc
import math
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import uvicorn
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from receiver.api.exports import PATH as EXPORTS
from receiver.api.stream import PATH as STREAM
from receiver.app import Receiver, World, create_app
from receiver.clock import WallClock
from receiver.errors import SettingsError
from receiver.intake.protocol import HookProtocol
from receiver.logs import configure_logs
from receiver.settings import Settings

_GC_THRESHOLD = 20_000
"""New objects between two looks of the collector; hooks leave no cycles behind."""

_UNREAD_S = 0.5
"""Whoever has not taken the end of a stream so long after a stop began takes nothing."""

_SWITCH_S = 0.0005
"""So long a thread that folds may keep the interpreter from the loop, which a hook waits for."""


def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; then take no more requests, finish those under way, drain the workers."""
    configure_logs(settings.log_format, settings.log_level)
    with listen(settings.host, settings.port) as sock:
        server = make_server(Receiver(settings, machine_world(settings)))
        spare_collector()
        sys.setswitchinterval(_SWITCH_S)
        server.run(sockets=[sock])


def spare_collector() -> None:
    """What is there now stays: the garbage collector need not look at it again and again, nor so often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)


def machine_world(settings: Settings) -> World:
    """The machine's time, randomness and network."""
    return World(WallClock(settings.clock_speed, settings.clock_origin), Random())


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises SettingsError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise SettingsError(f"host, port: cannot listen on {host}:{port}: {error.strerror}") from None
    sock.set_inheritable(True)
    return sock


class Server(uvicorn.Server):
    """A server that tells when it takes requests, and that a signal ends well: with exit status 0.

    `closing`: set as soon as it stops, before requests under way are waited for.
    """

    def __init__(self, config: uvicorn.Config, closing: asyncio.Event) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self._closing = closing

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closing.set()
        asyncio.get_running_loop().call_later(_UNREAD_S, self._drop_streams)
        await super().shutdown(sockets)

    def _drop_streams(self) -> None:
        """What a reader does not take would be waited for until the stop's deadline."""
        for connection in list(self.server_state.connections):
            cycle = getattr(connection, "cycle", None)
            if isinstance(cycle, RequestResponseCycle) and _is_stream(cycle.scope.get("path", "")):
                cycle.transport.abort()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn's own way raises the signal once more at the end, which looks like a failure."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


def _is_stream(path: str) -> bool:
    return path == STREAM or path.startswith(EXPORTS)


def make_server(receiver: Receiver) -> Server:
    """uvicorn with its faster parts, our logs, and a bound on how long a stop waits for requests."""
    settings = receiver.settings

    class Protocol(HookProtocol):
        intake = receiver.intake

    config = uvicorn.Config(
        create_app(receiver),
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=math.ceil(settings.stop_deadline_s),
    )
    return Server(config, receiver.closing)
