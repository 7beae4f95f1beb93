"""The emulator as a server process."""

import asyncio
import signal
import socket
import sys
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from receiver.emulator.api import HANG_UP
from receiver.emulator.config import EmulatorConfig
from receiver.emulator.emulator import create_emulator


class _Protocol(HttpToolsProtocol):
    """Lets the application close a connection without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, Any] = {HANG_UP: self.transport.close}
        self.scope["extensions"] = extensions


def serve(config: EmulatorConfig, host: str = "127.0.0.1", port: int = 8090) -> None:
    """Serve until SIGTERM or SIGINT. Port 0 takes a free port, which is printed on standard output."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    emulator = create_emulator(config)
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
            group.create_task(emulator.run(stop))
            await server.serve([listener])
            stop.set()

    with asyncio.Runner(loop_factory=uvicorn_config.get_loop_factory()) as runner:
        runner.run(main())


class _Server(uvicorn.Server):
    """Prints its address once it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = (sockets or [])[0].getsockname()[:2]
        location = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        sys.stdout.write(f"emulator listening on http://{location}\n")
        sys.stdout.flush()
