"""`python -m tests.e2e.feed`: two receivers on one PostgreSQL, hooks of the same tasks to both, and readers.

They read by cursor and as a stream, quickly and slowly; their connections break at random, and they go on at
either receiver. Each gets exactly the outcomes of the store, once, in order. Streams that nobody reads hold
up no reader and take no memory, and SIGTERM ends all at once.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import httpx2
from sqlalchemy import select

from receiver.http.tokens import create_token
from receiver.outcomes.tables import OUTCOME
from receiver.storage.engine import Store
from tests.e2e.alone import hook_url, write_settings
from tests.e2e.processes import Served
from tests.e2e.readers import ByCursor, ByStream, Reader, Reading, end_of, idle_stream, unread_streams
from tests.e2e.report import parser_of, tell
from tests.e2e.unfinished import unfinished
from tests.postgres import fresh_database, running_server

_EVENTS = ("before", "before_again", "success", "after")
_SENDERS = 16
_PATIENCE_S = 60.0
_AFTERWARDS_S = 0.3
"""So long readers that have all go on: nothing more may come."""

_MOST_GROWTH_MIB = 48
"""Of one receiver: what it takes to fold under load; all that is not read would be more."""

_STOP_S = 2.0
"""SIGTERM ends streams and process within that."""


@dataclass(frozen=True)
class Sizes:
    """`unread`: streams of which nothing is read, at each receiver. `slowness_s`: the slow reader's longest
    pause after each event.
    """

    tasks: int = 1500
    unread: int = 20
    slowness_s: float = 0.004


@dataclass(frozen=True)
class Read:
    """What one reader got. `behind_s`: after the last outcome was told, until it had all."""

    events: int
    missing: int
    twice: int
    in_order: bool
    visits: int
    behind_s: float

    @property
    def is_good(self) -> bool:
        return self.in_order and not self.missing and not self.twice

    def __str__(self) -> str:
        order = "in order" if self.in_order else "NOT IN ORDER"
        faults = f"{self.missing} missing, {self.twice} twice"
        return f"{self.events} events, {faults}, {order}; {self.visits} visits; {self.behind_s:.1f} s behind"


@dataclass(frozen=True)
class Result:
    """`outcomes`: in the store. `by_receiver`: hooks that each has acknowledged. `grown_mib`: memory of each.
    `stream_ends_s`, `process_ends_s`: after SIGTERM.
    """

    outcomes: int
    by_receiver: dict[str, int]
    readers: dict[str, Read]
    grown_mib: list[float]
    stream_ends_s: list[float]
    process_ends_s: list[float]

    @property
    def is_good(self) -> bool:
        is_complete = self.outcomes > 0 and all(each.is_good for each in self.readers.values())
        ends = (*self.stream_ends_s, *self.process_ends_s)
        return is_complete and max(self.grown_mib) < _MOST_GROWTH_MIB and max(ends) < _STOP_S


@dataclass
class Pair:
    """Two receivers on one database."""

    store: str
    receivers: tuple[Served, Served]

    @property
    def urls(self) -> list[str]:
        """Where hooks are sent."""
        return [each.url for each in self.receivers]

    @property
    def api_urls(self) -> list[str]:
        """Where readers ask."""
        return [each.api_url for each in self.receivers]

    async def live(self, sizes: Sizes, rng: Random) -> Result:
        """From the first hook to the end of both receivers."""
        readings = self._readings(sizes.slowness_s, rng)
        unread = self._reader("unread", rng)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(unread_streams(unread, sizes.unread))
            before = [each.memory_mib for each in self.receivers]
            running = [asyncio.create_task(each.run()) for each in readings]
            by_receiver = await self._send_hooks(sizes.tasks, rng)
            told = await self._told()
            over = time.monotonic()
            await _until_all_is_read(readings, running, len(told))
            grown = [each.memory_mib - was for each, was in zip(self.receivers, before, strict=True)]
            streams = [
                await stack.enter_async_context(idle_stream(unread, url, len(told))) for url in self.api_urls
            ]
            ends = await asyncio.gather(
                *(_stop(each, stream) for each, stream in zip(self.receivers, streams, strict=True))
            )
        return Result(
            outcomes=len(told),
            by_receiver=by_receiver,
            readers={each.reader.name: _judge(each.reader, told, over) for each in readings},
            grown_mib=[round(each, 1) for each in grown],
            stream_ends_s=[round(stream, 2) for stream, _ in ends],
            process_ends_s=[round(process, 2) for _, process in ends],
        )

    def stop(self) -> None:
        for each in self.receivers:
            each.stop()

    def _readings(self, slowness_s: float, rng: Random) -> list[Reading]:
        return [
            ByStream(self._reader("stream", rng)),
            ByStream(self._reader("slow stream", rng), slowness_s),
            ByCursor(self._reader("cursor", rng)),
        ]

    def _reader(self, name: str, rng: Random) -> Reader:
        with closing(Store(self.store)) as store, store.transaction() as connection:
            token = create_token(connection, name.replace(" ", "-"), ["read"], time.time())
        return Reader(name, self.api_urls, token, Random(rng.random()))

    async def _send_hooks(self, tasks: int, rng: Random) -> dict[str, int]:
        """All hooks of so many tasks, in any order, each to one of the receivers or to both."""
        hooks = [(f"t{number}", event) for number in range(tasks) for event in _EVENTS]
        rng.shuffle(hooks)
        acknowledged = dict.fromkeys(self.urls, 0)

        async def send() -> None:
            while hooks:
                ref, event = hooks.pop()
                for url in rng.choice([self.urls, self.urls[:1], self.urls[1:]]):
                    (await http.post(hook_url(url, ref, event))).raise_for_status()
                    acknowledged[url] += 1

        async with httpx2.AsyncClient(timeout=20) as http:
            await asyncio.gather(*(send() for _ in range(_SENDERS)))
        return dict(zip(("one", "other"), acknowledged.values(), strict=True))

    async def _told(self) -> list[str]:
        """The ids of all outcomes, in their order, once nothing is left to read or to fold. Raises
        TimeoutError.
        """
        with closing(Store(self.store)) as store:
            async with asyncio.timeout(_PATIENCE_S):
                while await store.read(unfinished):
                    await asyncio.sleep(0.1)
            ids = select(OUTCOME.c.id).order_by(OUTCOME.c.seq)
            return list(await store.read(lambda it: it.scalars(ids).all()))


async def _until_all_is_read(
    readings: Sequence[Reading], running: Sequence[asyncio.Task[None]], events: int
) -> None:
    """Until each reader has so many, and for a moment more, or patience is at its end. Raises what a reader
    raises.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and any(len(each.reader.ids) < events for each in readings):
        await asyncio.wait(running, timeout=0.05, return_when=asyncio.FIRST_COMPLETED)
        for each in running:
            if each.done():
                each.result()
    await asyncio.sleep(_AFTERWARDS_S)
    for each in running:
        each.cancel()
    await asyncio.wait(running)


async def _stop(served: Served, stream: httpx2.Response) -> tuple[float, float]:
    """SIGTERM: seconds until the stream ends, and until the process does."""
    assert served.process is not None
    began = time.monotonic()
    served.process.terminate()
    ended, status = await asyncio.gather(end_of(stream), asyncio.to_thread(served.process.wait, 60))
    assert status == 0
    return ended - began, time.monotonic() - began


def _judge(reader: Reader, told: Sequence[str], over: float) -> Read:
    numbers = {event: number for number, event in enumerate(told)}
    read = [numbers.get(event, -1) for event in reader.ids]
    return Read(
        events=len(read),
        missing=len(numbers.keys() - set(reader.ids)),
        twice=len(read) - len(set(read)),
        in_order=-1 not in read and read == sorted(read),
        visits=reader.visits,
        behind_s=round(max(0.0, reader.at - over), 2),
    )


@contextmanager
def pair_on(server: str) -> Iterator[Pair]:
    """Two receivers on a new database of that server."""
    with tempfile.TemporaryDirectory(prefix="feed-") as folder:
        store = fresh_database(server)
        config = write_settings(Path(folder), store)
        pair = Pair(store, (Served(config), Served(config)))
        try:
            for each in pair.receivers:
                each.start()
            yield pair
        finally:
            pair.stop()


def main() -> int:
    defaults = Sizes()
    parser = parser_of("tests.e2e.feed", __doc__)
    parser.add_argument("--seed", type=int, default=1, help="of hooks and readers (default %(default)s)")
    parser.add_argument("--tasks", type=int, default=defaults.tasks, help="(default %(default)s)")
    parser.add_argument(
        "--unread", type=int, default=defaults.unread, help="streams that nobody reads, at each receiver"
    )
    options = parser.parse_args()
    with running_server() as server, pair_on(server) as pair:
        sizes = Sizes(options.tasks, options.unread)
        result = asyncio.run(pair.live(sizes, Random(options.seed)))
    said = asdict(result)
    if not options.json:
        said |= {"readers": {name: str(each) for name, each in result.readers.items()}}
    return tell(said, good=result.is_good, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
