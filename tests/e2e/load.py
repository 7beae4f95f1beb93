"""A load of hooks on one receiver, and what became of each of them."""

import asyncio
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2
from sqlalchemy import select

from receiver.ledger.tables import DELIVERY
from receiver.storage.engine import Store
from tests.e2e.alone import hook_url

_TIMEOUT_S = 30.0
_PAUSE_S = 0.05
"""After a 503: a sender that hammers, but not with all its might."""


@dataclass
class Load:
    """Hooks from many connections until `over`, with bodies of `padding` bytes and some more; `name` begins
    the ref of each.
    """

    url: str
    name: str = "t"
    connections: int = 32
    padding: int = 0
    over: bool = False
    sent: int = 0
    slowest_s: float = 0.0
    pause_s: float = 0.0
    """Between two hooks of a connection."""

    def __post_init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.acknowledged: list[str] = []
        self.taken = asyncio.Event()
        """Set by each 200."""
        self.refused = asyncio.Event()
        """Set by each 503."""

    async def run(self) -> None:
        limits = httpx2.Limits(max_connections=self.connections)
        async with httpx2.AsyncClient(base_url=self.url, timeout=_TIMEOUT_S, limits=limits) as http:
            await asyncio.gather(*(self._send(http) for _ in range(self.connections)))

    async def _send(self, http: httpx2.AsyncClient) -> None:
        while not self.over:
            self.sent += 1
            path = hook_url("", f"{self.name}{self.sent}", "before")
            body = {"task_id": self.sent, "comment": "x" * self.padding}
            began = time.monotonic()
            answer = await http.post(path, json=body)
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            self.answers[str(answer.status_code)] += 1
            if answer.status_code == 200:
                self.acknowledged.append(answer.headers["x-request-id"])
                self.taken.set()
                await asyncio.sleep(self.pause_s)
            else:
                assert answer.headers["retry-after"]
                self.refused.set()
                await asyncio.sleep(_PAUSE_S)


@dataclass(frozen=True)
class Account:
    """`missing`: acknowledged and not in the ledger. `unsaid`: in the ledger, and yet not acknowledged."""

    answers: dict[str, int]
    acknowledged: int
    kept: int
    missing: int
    unsaid: int
    slowest_s: float

    @property
    def is_kept(self) -> bool:
        """Whether all that was acknowledged is in the ledger, once."""
        return self.acknowledged == self.answers.get("200", 0) == self.kept - self.unsaid and not self.missing

    @property
    def is_good(self) -> bool:
        return self.is_kept and self.answers.keys() <= {"200", "503"}


def account(load: Load, target: str) -> Account:
    """What was said of the hooks against what is in the store there."""
    with closing(Store(target)) as store, store.snapshot() as connection:
        mine = select(DELIVERY.c.id).where(DELIVERY.c.ref.startswith(load.name))
        kept = set(connection.scalars(mine))
    said = set(load.acknowledged)
    return Account(
        answers=dict(load.answers),
        acknowledged=len(said),
        kept=len(kept),
        missing=len(said - kept),
        unsaid=len(kept - said),
        slowest_s=round(load.slowest_s, 2),
    )


@dataclass
class SteadyLoad(Load):
    """Hooks on connections that stay open, with a pause after each answer; if `is_fresh`, each on a new one.
    A connection that is closed under a request counts as the answer `closed`, one that brings no answer in
    time as `unanswered`.

    `reopened`: connections that were closed between two hooks, which does no harm.
    """

    is_fresh: bool = False
    pause_s: float = 0.01
    reopened: int = 0

    async def run(self) -> None:
        port = urlsplit(self.url).port
        assert port is not None
        await asyncio.gather(*(self._keep_sending(port) for _ in range(self.connections)))

    async def _keep_sending(self, port: int) -> None:
        while not self.over:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                while not (self.over or reader.at_eof()):
                    await asyncio.wait_for(self._post(reader, writer), _TIMEOUT_S)
                    await asyncio.sleep(self.pause_s)
                    if self.is_fresh:
                        break
                else:
                    self.reopened += not self.over
            except (EOFError, ConnectionError):
                self.answers["closed"] += 1
            except TimeoutError:
                self.answers["unanswered"] += 1
            finally:
                writer.close()

    async def _post(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sent += 1
        path = hook_url("", f"{self.name}{self.sent}", "before")
        body = b'{"task_id": %d}' % self.sent
        head = f"POST {path} HTTP/1.1\r\nHost: receiver\r\nContent-Length: {len(body)}\r\n\r\n"
        began = time.monotonic()
        writer.write(head.encode() + body)
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        headers = dict(line.split(": ", 1) for line in lines if line)
        await reader.readexactly(int(headers["content-length"]))
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        status = first.split()[1]
        self.answers[status] += 1
        if status == "200":
            self.acknowledged.append(headers["x-request-id"])
