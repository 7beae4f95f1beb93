"""The emulator as a process of its own and a receiver in this one, for `receiver demo` and `receiver dev`."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from receiver.app import Receiver
from receiver.errors import ReceiverError
from receiver.server import Service

_START_S = 30.0


def cancel_at_signals() -> None:
    """Let signals cancel this task, so that everything it has started is stopped in order."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None  # noqa: S101 - this is a coroutine's code
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)


@dataclass(frozen=True, slots=True)
class EmulatorProcess:
    """A running emulator. `url`: its root."""

    url: str
    process: asyncio.subprocess.Process

    async def stop(self) -> None:
        """Let it finish its hooks, and wait for its end."""
        if self.process.returncode is None:
            self.process.terminate()
        await self.process.wait()


@asynccontextmanager
async def emulator_process(arguments: Sequence[str]) -> AsyncIterator[EmulatorProcess]:
    """Run an emulator with these arguments until the end of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "receiver.emulator",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # ^C must not stop it before its owner does
    )
    assert process.stdout is not None  # noqa: S101 - asked for above
    emulator = EmulatorProcess("", process)
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), _START_S)).decode()
        if "http://" not in line:
            raise ReceiverError("the emulator did not start")
        yield EmulatorProcess(line[line.index("http://") :].strip(), process)
    finally:
        await emulator.stop()


@asynccontextmanager
async def serving_receiver(
    receiver: Receiver, hooks: socket.socket, api: socket.socket
) -> AsyncIterator[asyncio.Task[None]]:
    """Serve on these sockets until the end of the block. Yields the task that serves."""
    service = Service(receiver)
    serving = asyncio.create_task(service.run(hooks, api))
    ready = asyncio.create_task(service.ready.wait())
    try:
        await asyncio.wait([serving, ready], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            raise ReceiverError("the receiver did not start")
        yield serving
    finally:
        ready.cancel()
        service.stop()
        await serving
