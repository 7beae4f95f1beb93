"""Connections that bring no hook: `python -m tests.bench.apps.strangers PORT SILENT TRICKLING`.

Prints a line once all are open, and holds them until its standard input ends.
"""

import asyncio
import contextlib
import resource
import sys

_HEAD = b"POST /hooks/main/before/nobody/no.token HTTP/1.1\r\nHost: x\r\nX-Filler: " + b"f" * 4_000
_EVERY_S = 0.1


async def _silent(port: int, opened: asyncio.Semaphore) -> None:
    """Open, and say nothing; once closed, open again."""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        opened.release()
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()


async def _trickling(port: int, opened: asyncio.Semaphore) -> None:
    """Send a head byte by byte; once closed, begin again."""
    while True:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        opened.release()
        with contextlib.suppress(OSError):
            for byte in _HEAD:
                writer.write(bytes((byte,)))
                await writer.drain()
                await asyncio.sleep(_EVERY_S)
        writer.close()


async def _main(port: int, silent: int, trickling: int) -> None:
    opened = asyncio.Semaphore(0)
    tasks = [asyncio.create_task(_silent(port, opened)) for _ in range(silent)]
    tasks += [asyncio.create_task(_trickling(port, opened)) for _ in range(trickling)]
    for _ in tasks:
        await opened.acquire()
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    _soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_hard, 65_536), _hard))
    asyncio.run(_main(*map(int, sys.argv[1:])))
