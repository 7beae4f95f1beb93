"""Open consoles, a process of its own: `python -m tests.bench.open_consoles ORDER.json`.

Each one does what console.js does: it shows a page, reads its stream, and when the stream says that something
has changed, it fetches the page again; new parts of the page come in the stream. Prints `open` once all
streams are open; at the end of its standard input a report.
"""

import asyncio
import itertools
import json
import re
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2

_STREAM = re.compile(r'<body[^>]* data-live="([^"]+)"')
_PAUSE_S = 1.0
"""Seconds between two fetches of a page, as in console.js."""


class OpenConsole:
    """One tab of a browser. `counts`: pages, events and problems of all tabs."""

    def __init__(self, client: httpx2.AsyncClient, path: str, counts: Counter[str]) -> None:
        self._client = client
        self._path = path
        self._counts = counts
        self._changed = asyncio.Event()
        self.is_open = asyncio.Event()

    async def run(self) -> None:
        """Show the page until this is canceled."""
        stream = _STREAM.search(await self._page())
        if stream is None:
            raise RuntimeError(f"{self._path} has no stream: its body has no data-live")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(stream[1].replace("&amp;", "&")))
            tasks.create_task(self._refresh())

    async def _read(self, url: str) -> None:
        async with self._client.stream("GET", url, headers={"Accept": "text/event-stream"}) as answer:
            answer.raise_for_status()
            self.is_open.set()
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    self._counts[line] += 1
                if line == "event: changed":
                    self._changed.set()
        raise RuntimeError(f"the stream of {self._path} has ended")

    async def _refresh(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._page()
            await asyncio.sleep(_PAUSE_S)

    async def _page(self) -> str:
        answer = await self._client.get(self._path)
        answer.raise_for_status()
        self._counts["pages"] += 1
        self._counts["bytes"] += answer.num_bytes_downloaded
        return answer.text


async def keep_open(order: dict[str, Any]) -> Counter[str]:
    """Keep consoles open until standard input ends. `order`: url, paths, cookie, consoles."""
    counts = Counter[str]()
    limits = httpx2.Limits(max_connections=None)
    headers = {"Cookie": order["cookie"]}
    async with httpx2.AsyncClient(
        base_url=order["url"], headers=headers, timeout=60, limits=limits
    ) as client:
        paths = itertools.islice(itertools.cycle(order["paths"]), order["consoles"])
        consoles = [OpenConsole(client, path, counts) for path in paths]
        running: asyncio.Future[Any] = asyncio.gather(*(console.run() for console in consoles))
        opening: asyncio.Future[Any] = asyncio.gather(*(console.is_open.wait() for console in consoles))
        await _either(opening, running)
        print("open", flush=True)
        counts.clear()
        ended: asyncio.Future[Any] = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        await _either(ended, running)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    return counts


async def _either(event: asyncio.Future[Any], running: asyncio.Future[Any]) -> None:
    """Return once the event has happened. Raises what the consoles have failed with."""
    await asyncio.wait((event, running), return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()


def main() -> None:
    print(json.dumps(asyncio.run(keep_open(json.loads(Path(sys.argv[1]).read_text())))))


if __name__ == "__main__":
    main()
