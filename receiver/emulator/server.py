"""The emulator as a server process."""

import asyncio
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from receiver.emulator.api import HANG_UP
from receiver.emulator.config import EmulatorConfig
from receiver.emulator.emulator import Emulator, create_emulator
from receiver.emulator.state import read_state, write_state

_KEEP_S, _KEEP_PART = 1.0, 20
"""Seconds between two writes of the state: at least this, and this multiple of the duration of a write."""


class _Protocol(HttpToolsProtocol):
    """Lets the application close a connection without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, Any] = {HANG_UP: self.transport.close}
        self.scope["extensions"] = extensions


def serve(
    config: EmulatorConfig, host: str = "127.0.0.1", port: int = 8090, state: Path | None = None
) -> None:
    """Serve until SIGTERM or SIGINT. Port 0 takes a free port, which is printed on standard output.

    `state`: file with which it goes on, and that it keeps up to date. Raises StateError if it does not fit.
    """
    saved = read_state(state, config) if state else None
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    emulator = create_emulator(config, saved=saved)
    uvicorn_config = uvicorn.Config(
        emulator.app,
        http=_Protocol,
        lifespan="off",
        log_level="warning",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=5,
    )
    server = _Server(uvicorn_config)

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        # uvicorn raises the signal that ended it again; these handlers keep it from ending the process.
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        async with asyncio.TaskGroup() as group:
            group.create_task(_run(emulator, state, stop))
            await server.serve([listener])
            stop.set()

    with asyncio.Runner(loop_factory=uvicorn_config.get_loop_factory()) as runner:
        runner.run(main())


async def _run(emulator: Emulator, state: Path | None, stop: asyncio.Event) -> None:
    """Run the emulator until `stop`. Keep its state in the file, at the end too."""
    async with asyncio.TaskGroup() as group:
        running = group.create_task(emulator.run(stop))
        if state:
            await _keep(emulator, state, stop)
            await running
            write_state(state, emulator.state())


async def _keep(emulator: Emulator, state: Path, stop: asyncio.Event) -> None:
    """Write changes of the state once a second, or less often if that takes long."""
    content = b""
    while not stop.is_set():
        began = time.perf_counter()
        last, content = content, emulator.state()
        if content != last:
            write_state(state, content)
        pause_s = max(_KEEP_S, _KEEP_PART * (time.perf_counter() - began))
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause_s)


class _Server(uvicorn.Server):
    """Prints its address once it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = (sockets or [])[0].getsockname()[:2]
        location = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        sys.stdout.write(f"emulator listening on http://{location}\n")
        sys.stdout.flush()
