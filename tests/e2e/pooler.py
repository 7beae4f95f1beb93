"""`python -m tests.e2e.pooler`: a receiver whose PostgreSQL is behind PgBouncer in transaction mode.

Hooks come from many connections; each must be answered 200, be in the ledger once, and be folded. The pooler
has fewer connections to the server than the receiver has to the pooler. Meanwhile the API is read. Role and
database say that commits need not be on disk; the settings of each append say that they must.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2
from sqlalchemy import func, select

from receiver.storage.engine import Store
from receiver.tasks.tables import TASK
from tests.e2e.alone import hook_url, write_settings
from tests.e2e.load import Account, Load, account
from tests.e2e.pgbouncer import running_pgbouncer
from tests.e2e.processes import Served
from tests.e2e.report import parser_of, tell
from tests.e2e.unfinished import wait_until_finished
from tests.postgres import prepared_database, running_server

_CONNECTIONS = 32
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Outcome:
    """`ready`: answers of `/readyz` meanwhile. `folded`: tasks, of which each has one hook."""

    account: Account
    ready: Sequence[int]
    folded: int

    @property
    def is_good(self) -> bool:
        all_taken = set(self.account.answers) == {"200"} and self.account.is_kept
        return all_taken and self.folded == self.account.kept and set(self.ready) == {200}


async def send(load: Load, hooks: int) -> None:
    """So many, each of a task of its own."""
    numbers = iter(range(1, hooks + 1))
    async with httpx2.AsyncClient(base_url=load.url, timeout=30) as http:

        async def keep_sending() -> None:
            for number in numbers:
                load.sent += 1
                began = time.monotonic()
                answer = await http.post(hook_url("", f"{load.name}{number}", "before"), json={"id": number})
                load.slowest_s = max(load.slowest_s, time.monotonic() - began)
                load.answers[str(answer.status_code)] += 1
                if answer.status_code == 200:
                    load.acknowledged.append(answer.headers["x-request-id"])

        await asyncio.gather(*(keep_sending() for _ in range(_CONNECTIONS)))


async def _watch(api_url: str, ready: list[int]) -> None:
    async with httpx2.AsyncClient(base_url=api_url, timeout=30) as http:
        while True:
            ready.append((await http.get("/readyz")).status_code)
            await asyncio.sleep(0.1)


async def _load(served: Served, hooks: int) -> tuple[Load, list[int]]:
    load, ready = Load(served.url, "pooled"), list[int]()
    watching = asyncio.create_task(_watch(served.api_url, ready))
    await send(load, hooks)
    watching.cancel()
    return load, ready


def run(folder: Path, server: str, hooks: int) -> Outcome:
    """One round, with a receiver and a pooler of its own."""
    database = prepared_database(server)
    name = database.partition("?")[0].rpartition("/")[2]
    pooler = folder / "pooler"
    pooler.mkdir()
    with running_pgbouncer(pooler, server) as port:
        served = Served(write_settings(folder, f"postgresql://postgres@127.0.0.1:{port}/{name}"))
        served.start()
        try:
            load, ready = asyncio.run(_load(served, hooks))
            wait_until_finished(database, _PATIENCE_S)
        finally:
            served.stop()
    with closing(Store(database)) as store, store.snapshot() as connection:
        folded = connection.scalar(select(func.count()).select_from(TASK)) or 0
    return Outcome(account(load, database), ready, folded)


def main() -> None:
    parser = parser_of("tests.e2e.pooler", __doc__)
    parser.add_argument("--hooks", type=int, default=2_000, help="(default 2000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pooler-") as folder, running_server() as server:
        outcome = run(Path(folder), server, options.hooks)
    said = {**asdict(outcome.account), "folded": outcome.folded, "readyz": sorted(set(outcome.ready))}
    sys.exit(tell(said, good=outcome.is_good, as_json=options.json))


if __name__ == "__main__":
    main()
