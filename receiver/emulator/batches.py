"""Joins what goes to one URL at about the same time into one request."""

import asyncio
from dataclasses import dataclass, field

from receiver.emulator.clock import Clock
from receiver.emulator.sender import Reply, Sender
from receiver.emulator.writing import Fields, JoinedWriter

WINDOW_S = 2.0
"""Seconds for which the first event waits for others."""


@dataclass
class _Batch:
    reply: asyncio.Future[Reply]
    events: list[Fields] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)


class Batches:
    """Requests that wait for more events, by the URL they go to."""

    def __init__(self, clock: Clock, sender: Sender) -> None:
        self._clock = clock
        self._sender = sender
        self._waiting: dict[str, _Batch] = {}

    async def send(self, url: str, join: JoinedWriter, event: Fields, copy_id: str) -> Reply:
        """Send one event, with those that go there until its request leaves; all have the same reply."""
        if batch := self._waiting.get(url):
            batch.events.append(event)
            batch.copies.append(copy_id)
            return await asyncio.shield(batch.reply)
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        batch = self._waiting[url] = _Batch(reply, [event], [copy_id])
        await self._clock.sleep(WINDOW_S)
        del self._waiting[url]
        reply.set_result(await self._sender.send(join(url, batch.events), ",".join(batch.copies)))
        return reply.result()
