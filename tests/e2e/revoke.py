"""`python -m tests.e2e.revoke`: the receiver loses its grant on each table in turn, under a load of hooks.

While hooks cannot be kept they must be answered 503, and `/readyz` must say so just then; whatever else is
lost, hooks are taken in. When a grant is back all goes on by itself: all that was acknowledged is in the
ledger and folded, and nothing is set aside, since none of it was the fault of a hook or a task.
"""

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx2
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from receiver.maintenance.schema import complete_metadata
from tests.e2e.alone import hook_url, write_settings
from tests.e2e.load import Account, Load, account
from tests.e2e.processes import Served
from tests.e2e.report import parser_of, tell
from tests.e2e.unfinished import wait_until_finished
from tests.postgres import prepared_database, running_server

ROLE = "receiver_app"

TABLES = tuple(sorted(complete_metadata().tables))

_PATIENCE_S = 60.0
_EVERY_S = 0.05
_PAUSE_S = 0.02
"""Between two hooks of a connection: a load, and not all that the machine can take."""

_SET_ASIDE = "SELECT (SELECT count(*) FROM set_aside), (SELECT count(*) FROM dirty_task WHERE failures > 0)"


@dataclass(frozen=True)
class Round:
    """What hooks and `/readyz` were answered while this table was lost. `unlike`: looks at which `/readyz`
    did not say what the hooks before and after it were told.
    """

    table: str
    hooks: dict[str, int]
    ready: dict[str, int]
    unlike: int
    set_aside: tuple[int, int]

    @property
    def is_good(self) -> bool:
        expected = {"503"} if self.table == "inbox" else {"200"}
        answered = set(self.hooks) == expected
        return answered and not self.unlike and self.set_aside == (0, 0)


@dataclass(frozen=True)
class Outcome:
    account: Account
    rounds: Sequence[Round]

    @property
    def is_good(self) -> bool:
        return self.account.is_good and all(each.is_good for each in self.rounds)


@dataclass
class _Look:
    """Probes of both listeners, one after the other."""

    served: Served
    name: str
    hooks: Counter[str] = field(default_factory=Counter)
    ready: Counter[str] = field(default_factory=Counter)
    unlike: int = 0
    sent: int = 0

    async def run(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        async with httpx2.AsyncClient(timeout=30) as http:
            before = await self._hook(http)
            while loop.time() < until:
                ready = str((await http.get(f"{self.served.api_url}/readyz")).status_code)
                after = await self._hook(http)
                self.hooks[after] += 1
                self.ready[ready] += 1
                self.unlike += before == after != ready
                before = after
                await asyncio.sleep(_EVERY_S)

    async def _hook(self, http: httpx2.AsyncClient) -> str:
        self.sent += 1
        url = hook_url(self.served.url, f"look{self.name}{self.sent}", "before")
        return str((await http.post(url, json={"id": self.sent})).status_code)


async def revoke(served: Served, database: str, tables: Sequence[str], seconds: float) -> Outcome:
    """One round for each table."""
    load = Load(served.url, "revoked", connections=4, pause_s=_PAUSE_S)
    running = asyncio.create_task(load.run())
    rounds = []
    with _connected(database) as connection:
        for table in tables:
            look = _Look(served, table)
            connection.execute(text(f"REVOKE ALL ON {table} FROM {ROLE}"))
            try:
                await asyncio.sleep(_EVERY_S)
                await look.run(seconds)
            finally:
                connection.execute(text(f"GRANT ALL ON {table} TO {ROLE}"))
            hooks, aside = connection.execute(text(_SET_ASIDE)).one()
            rounds.append(Round(table, dict(look.hooks), dict(look.ready), look.unlike, (hooks, aside)))
            load.taken.clear()
            await asyncio.wait_for(load.taken.wait(), _PATIENCE_S)
    load.over = True
    await running
    await asyncio.to_thread(wait_until_finished, database, _PATIENCE_S)
    return Outcome(account(load, database), rounds)


@contextmanager
def _connected(database: str) -> Iterator[Connection]:
    engine = create_engine(database, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


def run(folder: Path, server: str, tables: Sequence[str], seconds: float) -> Outcome:
    """A receiver that owns nothing of its database."""
    database = prepared_database(server)
    with _connected(database) as connection:
        if not connection.scalar(text(f"SELECT 1 FROM pg_roles WHERE rolname = '{ROLE}'")):
            connection.execute(text(f"CREATE ROLE {ROLE} LOGIN"))
        for kind in ("TABLES", "SEQUENCES"):
            connection.execute(text(f"GRANT ALL ON ALL {kind} IN SCHEMA public TO {ROLE}"))
    served = Served(write_settings(folder, database.replace("//postgres:@", f"//{ROLE}@")))
    served.start()
    try:
        return asyncio.run(revoke(served, database, tables, seconds))
    finally:
        served.stop()


def main() -> None:
    parser = parser_of("tests.e2e.revoke", __doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each is lost (default 5)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="revoke-") as folder, running_server() as server:
        outcome = run(Path(folder), server, TABLES, options.seconds)
    said = asdict(outcome.account)
    for each in outcome.rounds:
        aside = f"set aside {each.set_aside}" if any(each.set_aside) else "nothing set aside"
        said[each.table] = f"hooks {each.hooks}, readyz {each.ready}, unlike {each.unlike}, {aside}"
    sys.exit(tell(said, good=outcome.is_good, as_json=options.json))


if __name__ == "__main__":
    main()
