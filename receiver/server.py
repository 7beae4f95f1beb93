"""The service: the hook listener, the API behind uvicorn, and a graceful stop that drains both."""

import asyncio
import gc
import math
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from functools import partial
from random import Random

import structlog
import uvicorn
import uvloop

from receiver.api import create_app
from receiver.app import Environment, Receiver
from receiver.errors import SettingsError, StoreError, StoreHeldError
from receiver.intake.acceptor import SocketAcceptor
from receiver.intake.connection import HookConnection
from receiver.intake.listener import HookListener
from receiver.observability.logs import configure_logs
from receiver.observability.loop_lag import watching_the_loop
from receiver.runtime.clock import WallClock
from receiver.settings.conversion import listener_limits
from receiver.settings.settings import Settings
from receiver.storage.engine import Store
from receiver.storage.operator_events import ConditionName, OperatorNotice, add_operator_event, returns
from receiver.storage.serve_lock import holding

_log = structlog.get_logger("receiver.server")

_GC_THRESHOLD = 5_000
"""New objects between two runs of the garbage collector. Hooks leave no cycles behind, but pages do, and
nothing else happens in a run: with 20,000 one took 10 ms.
"""

_UNREAD_S = 0.5
"""Seconds after which a stop no longer waits for readers of streams that do not take the end."""

_KEEP_ALIVE_S = 75
"""Seconds for which an idle connection to the API is kept."""

_NOTE_S = 5.0
"""Seconds for which a second server waits to store that it was started."""

_SWITCH_S = 0.0002
"""GIL switch interval in seconds; short, so that reading and folding do not delay hooks."""


def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; then take no more requests, finish those under way, drain the workers."""
    configure_logs(settings.log_format, settings.log_level)
    with (
        _the_only_one(settings),
        _hook_socket(settings) as hooks,
        listen(settings.api.host, settings.api.port, "api.host, api.port") as api,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        service = Service(Receiver(settings, machine_environment(settings)))
        tune_interpreter()
        runner.run(service.run_until_signalled(hooks, api))


@contextmanager
def _the_only_one(settings: Settings) -> Iterator[None]:
    """Lock the store. Raises StoreHeldError if another process serves it, whose operators are told."""
    try:
        with holding(settings.store):
            yield
    except StoreHeldError:
        with suppress(StoreError):  # a store of another version, or without room
            note_second_server(settings.store, machine_environment(settings).clock.now())
        raise


def note_second_server(target: str, at: float) -> None:
    """Store the event that a second server was started. The server that runs publishes it."""
    with closing(Store(target, timeout_s=_NOTE_S)) as store, store.transaction() as connection:
        if not returns(connection, ConditionName("server", "second"), at):
            return
        pid, host = os.getpid(), socket.gethostname()
        text = f"A second `serve` was started on this store, and refused to run: pid {pid} on {host}."
        notice = OperatorNotice("server.second", "store", text, at, {"pid": pid, "host": host})
        add_operator_event(connection, notice)


def tune_interpreter() -> None:
    """Let the garbage collector pass over what is there now, and threads give way to the loop soon."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    sys.setswitchinterval(_SWITCH_S)


def machine_environment(settings: Settings) -> Environment:
    """The machine's time, randomness and network."""
    return Environment(WallClock(settings.clock_speed, settings.clock_origin), Random())


def _hook_socket(settings: Settings) -> AbstractContextManager[socket.socket | None]:
    """The listening socket for hooks; None in a role that takes none."""
    return listen(settings.host, settings.port) if settings.role.takes_hooks else nullcontext()


def listen(host: str, port: int, setting: str = "host, port") -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises SettingsError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise SettingsError(f"{setting}: cannot listen on {host}:{port}: {error.strerror}") from None
    sock.set_inheritable(True)
    return sock


class Service:
    """One receiver with its two listeners. `ready` is set once both take requests."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.ready = asyncio.Event()
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._stop.set()

    async def run_until_signalled(self, hooks: socket.socket | None, api: socket.socket) -> None:
        """Run until SIGTERM or SIGINT, which end it well."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            await self.run(hooks, api)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def run(self, hooks: socket.socket | None, api: socket.socket) -> None:
        """Serve on these sockets until `stop`; then drain. `hooks`: None in a role that takes none."""
        receiver, settings = self.receiver, self.receiver.settings
        async with receiver.running(), watching_the_loop(receiver.metrics):
            pages = _ApiServer(receiver)
            serving = asyncio.create_task(pages.serve(sockets=[api]), name="api")
            await _either(pages.ready, serving)
            listener = None
            if hooks is not None:
                listener = HookListener(receiver.intake, listener_limits(settings.listener))
                listener.start(partial(SocketAcceptor, hooks), HookConnection)
            _log.info(
                "receiver started",
                role=settings.role,
                hooks=_url(hooks) if hooks is not None else None,
                api=_url(api),
                store=receiver.store.name,
                accounts=sorted(settings.accounts),
            )
            self.ready.set()
            await _either(self._stop, serving)
            receiver.closing.set()
            pages.should_exit = True
            drains = [listener.drain(settings.stop_deadline_s)] if listener else []
            await asyncio.gather(*drains, pages.end(serving))
        _log.info("receiver stopped")


class _ApiServer(uvicorn.Server):
    """uvicorn for the API, which leaves signals to the service. `ready` is set once it takes requests."""

    def __init__(self, receiver: Receiver) -> None:
        self._app = create_app(receiver)
        self.ready = asyncio.Event()
        super().__init__(
            uvicorn.Config(
                self._app,
                http="httptools",
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=math.ceil(receiver.settings.stop_deadline_s),
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def end(self, serving: asyncio.Task[None]) -> None:
        """Wait until requests under way are answered. Readers of streams that read no more are left."""
        await asyncio.wait([serving], timeout=_UNREAD_S)
        while not serving.done() and self._app.under_way:
            await asyncio.wait([serving], timeout=0.05)
        serving.cancel()
        await asyncio.wait([serving])

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _either(event: asyncio.Event, task: asyncio.Task[None]) -> None:
    """Returns once the event is set. Raises what the task has failed with."""
    waiting = asyncio.create_task(event.wait())
    done, _ = await asyncio.wait([waiting, task], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task in done:
        task.result()


def _url(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
