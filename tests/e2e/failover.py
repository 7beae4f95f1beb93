"""`python -m tests.e2e.failover`: the primary is lost under a load of hooks, and its standby takes over.

Two PostgreSQL servers, of which the standby is synchronous; the receiver knows one address. The primary
crashes, the address leads to the standby while that still only follows, and some seconds later it is
promoted. The database says that commits need not be on disk: nothing that was acknowledged may be lost all
the same, and the receiver must come back by itself. Instead the address can fall silent, as that of a machine
does which has lost its power; or the receiver can know both addresses, and none moves.
"""

import asyncio
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import SIGQUIT
from typing import Literal

from tests.e2e.alone import write_settings
from tests.e2e.forwarder import Forwarder, forwarding
from tests.e2e.load import Account, Load, account
from tests.e2e.outage import stop_server
from tests.e2e.processes import Served
from tests.e2e.report import parser_of, tell
from tests.e2e.standby import Pair, running_pair
from tests.e2e.unfinished import wait_until_finished
from tests.postgres import prepared_database

Way = Literal["crash", "silent", "hosts"]

_AROUND_S = 2.0
"""Load before the crash, and after the first hook that was taken again."""

_PATIENCE_S = 60.0

HEALED_S = 10.0
"""Seconds from the promotion to the next 200, at most."""


@dataclass(frozen=True)
class Outcome:
    """`healed_s`: from the promotion, with the address in its new place, to the next 200."""

    way: Way
    account: Account
    healed_s: float

    @property
    def is_good(self) -> bool:
        return self.account.is_good and self.healed_s <= HEALED_S


async def failover(folder: Path, way: Way, seconds: float) -> Outcome:
    """One round. `seconds`: from the crash to the promotion."""
    async with AsyncExitStack() as stack:
        pair = stack.enter_context(running_pair(folder))
        name = prepared_database(pair.url).partition("?")[0].rpartition("/")[2]
        pair.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        await asyncio.to_thread(pair.replicate)
        first = await stack.enter_async_context(forwarding(pair.primary_socket))
        second = await stack.enter_async_context(forwarding(pair.standby_socket))
        ports = (first.port, second.port) if way == "hosts" else (first.port,)
        places = ",".join(f"127.0.0.1:{port}" for port in ports)
        served = Served(write_settings(folder, f"postgresql://postgres@{places}/{name}"))
        stack.callback(served.stop)
        await asyncio.to_thread(served.start)
        load = Load(served.url, "failover")
        running = asyncio.create_task(load.run())
        await asyncio.sleep(_AROUND_S)
        await _lose_primary(pair, first, way, seconds)
        healed_s = await _heal(load)
        load.over = True
        await running
        target = f"postgresql://postgres@/{name}?host={pair.standby}"
        await asyncio.to_thread(wait_until_finished, target, _PATIENCE_S)
        return Outcome(way, account(load, target), healed_s)


async def _lose_primary(pair: Pair, address: Forwarder, way: Way, seconds: float) -> None:
    """Returns once the standby is promoted, and the address leads to it."""
    if way == "silent":
        address.fall_silent()
        await asyncio.to_thread(stop_server, pair.primary, SIGQUIT)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(pair.promote)
        address.retarget(pair.standby_socket)
        return
    await asyncio.to_thread(stop_server, pair.primary, SIGQUIT)
    address.move(pair.standby_socket if way == "crash" else None)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(pair.promote)


async def _heal(load: Load) -> float:
    """Seconds until a hook is taken again; some load follows."""
    began = time.monotonic()
    load.taken.clear()
    await asyncio.wait_for(load.taken.wait(), _PATIENCE_S)
    healed_s = round(time.monotonic() - began, 2)
    await asyncio.sleep(_AROUND_S)
    return healed_s


def main() -> None:
    parser = parser_of("tests.e2e.failover", __doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="from crash to promotion (default 5)")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--silent", dest="way", action="store_const", const="silent", default="crash")
    ways.add_argument("--hosts", dest="way", action="store_const", const="hosts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fo-") as folder:
        outcome = asyncio.run(failover(Path(folder), options.way, options.seconds))
    said = {"way": outcome.way, **asdict(outcome.account), "healed_s": outcome.healed_s}
    sys.exit(tell(said, good=outcome.is_good, as_json=options.json))


if __name__ == "__main__":
    main()
