"""`python -m tests.e2e.strangers`: hooks come steadily on a few connections, and strangers on many others.

The receiver may open few files. The strangers are silent, trickle, send huge heads, smuggle, or pipeline
requests and never read an answer. All the same every hook must be answered 200, the memory must not grow, and
the log must name the trouble once, not once for each stranger.
"""

import asyncio
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from sqlalchemy import select

from receiver.ledger.tables import DELIVERY
from receiver.storage.engine import Store
from tests.e2e.alone import write_settings
from tests.e2e.load import Account, SteadyLoad, account
from tests.e2e.processes import Served
from tests.e2e.report import parser_of, tell
from tests.e2e.smuggling import HONEST, REF, is_taken_without_fault, smuggle
from tests.e2e.stranger_clients import heads, pipelining, silent, trickling
from tests.e2e.unfinished import wait_until_finished
from tests.e2e.watch import Watch, labelled, logged

MOST_GROWTH_MIB = 30.0
FRESH = "hooks on new connections were not answered 200"

_MOST_LIMIT_LINES, _MOST_LINES = 3, 12
"""Lines about the limit, and lines at all: each kind of trouble is logged once a minute."""

_CALM_S = 1.0
"""Seconds of hooks alone, before and after the strangers."""

_TRICKLE_S = 0.05
"""Seconds from one byte of a head to the next."""

_LARGE, _TOO_LARGE = 30 * 1024, 200 * 1024
"""Bytes of heads."""

_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Sizes:
    """How many strangers there are. `pipelined`: requests that one sends which never reads; `unread`:
    connections that do the same at the same time. `files`: open files that the receiver may have; `seconds`:
    how long the silent ones stay; `deadline_s`: for heads and idle connections.
    """

    silent: int = 1000
    trickling: int = 100
    heads: int = 2000
    oversized: int = 200
    pipelined: int = 100_000
    unread: int = 10
    files: int = 300
    seconds: float = 10.0
    deadline_s: float = 3.0


@dataclass(frozen=True)
class Outcome:
    """`hooks`: on connections that stay open; `fresh`: each on a new one, which is a stranger's until it has
    brought its hook. `answers`: to strangers, by what they did. `grown_mib`: memory of the receiver beyond
    what it had before, at most. `closed`: connections that the receiver closed, by reason. `smuggled`: refs
    of smugglers' hooks that were kept.
    """

    hooks: Account
    fresh: Account
    reopened: int
    ready: Mapping[str, int]
    answers: Mapping[str, Mapping[str, int]]
    grown_mib: Mapping[str, float]
    log: Mapping[str, int]
    closed: Mapping[str, int]
    smuggled: tuple[str, ...]

    @property
    def faults(self) -> list[str]:
        """What is not as it must be."""
        limit_lines = sum(lines for event, lines in self.log.items() if "at their limit" in event)
        is_so = {
            "hooks were not answered 200": set(self.hooks.answers) == {"200"},
            FRESH: set(self.fresh.answers) == {"200"},
            "hooks that were answered 200 are missing": self.hooks.is_kept and self.fresh.is_kept,
            "the API was not ready": set(self.ready) == {"200"},
            "the memory has grown": max(self.grown_mib.values()) <= MOST_GROWTH_MIB,
            "the limit is not logged, or too often": 1 <= limit_lines <= _MOST_LIMIT_LINES,
            "too many lines are logged": sum(self.log.values()) <= _MOST_LINES,
            "something was smuggled": not self.smuggled and set(self.answers["smuggling"]) == {"refused"},
            "large heads were not answered 404": set(self.answers["heads"]) == {"404"},
            "too large heads were not answered 431": set(self.answers["heads over the limit"]) == {"431"},
            "trickling heads were not ended": set(self.answers["trickling"]) == {"408"},
        }
        return [fault for fault, is_well in is_so.items() if not is_well]


async def visit(
    served: Served, loads: Sequence[SteadyLoad], sizes: Sizes
) -> tuple[Watch, dict[str, Mapping[str, int]]]:
    """Let all kinds of strangers come, one after the other, beside the loads; what was answered to them."""
    watch, answers = Watch(served), dict[str, Mapping[str, int]]()
    async with watch.watching():
        running = asyncio.gather(*(load.run() for load in loads))
        await asyncio.sleep(_CALM_S)
        for name, come in _kinds(served.port, sizes).items():
            async with watch.growth(name):
                answers[name] = dict(await come())
        await asyncio.sleep(_CALM_S)
        for load in loads:
            load.over = True
        await running
    return watch, answers


def _kinds(port: int, sizes: Sizes) -> dict[str, Callable[[], Awaitable[Mapping[str, int]]]]:
    async def pipeline(connections: int) -> Mapping[str, int]:
        paths = [b"/hooks/none"] * connections
        return {
            "sent": sum(await asyncio.gather(*(pipelining(port, sizes.pipelined, path) for path in paths)))
        }

    async def attempt() -> Mapping[str, int]:
        attempts = await smuggle(port)
        return Counter("refused" if each.is_refused else f"{name}: {each}" for name, each in attempts.items())

    async def stay() -> Mapping[str, int]:
        over = asyncio.Event()
        asyncio.get_running_loop().call_later(sizes.seconds, over.set)
        staying = silent(port, sizes.silent, over), trickling(port, sizes.trickling, _TRICKLE_S)
        return sum(await asyncio.gather(*staying), Counter())

    return {
        "heads": lambda: heads(port, sizes.heads, _LARGE),
        "heads over the limit": lambda: heads(port, sizes.oversized, _TOO_LARGE),
        "smuggling": attempt,
        "pipelining": lambda: pipeline(1),
        "pipelining on many connections": lambda: pipeline(sizes.unread),
        "trickling": lambda: trickling(port, sizes.trickling, _TRICKLE_S),
        "silent, and trickling": stay,
    }


def run(folder: Path, sizes: Sizes) -> Outcome:
    """A receiver, its hooks, and strangers."""
    _raise_own_limit(sizes)
    store, log = folder / "receiver.db", folder / "log"
    environment = {"RECEIVER_LOG_LEVEL": "warning", "RECEIVER_LOG_FORMAT": "json"}
    environment |= {f"RECEIVER_LISTENER__{name}_S": str(sizes.deadline_s) for name in ("HEAD", "IDLE")}
    served = Served(write_settings(folder, store), environment=environment, files=sizes.files, log=log)
    kept, fresh = SteadyLoad(served.url, "kept", 4), SteadyLoad(served.url, "fresh", 2, is_fresh=True)
    served.start()
    try:
        watch, answers = asyncio.run(visit(served, (kept, fresh), sizes))
        assert asyncio.run(is_taken_without_fault(served.port)), "smugglers would have been refused anyway"
        wait_until_finished(str(store), _PATIENCE_S)
        closed = labelled(served, "callback_intake_connections_closed")
    finally:
        served.stop()
    return Outcome(
        hooks=account(kept, str(store)),
        fresh=account(fresh, str(store)),
        reopened=kept.reopened,
        ready=dict(watch.ready),
        answers=answers,
        grown_mib=watch.grown_mib,
        log=dict(logged(log)),
        closed={reason: int(number) for reason, number in closed.items() if number},
        smuggled=_smuggled(str(store)),
    )


def _raise_own_limit(sizes: Sizes) -> None:
    """Let this process open as many files as there are strangers."""
    needed = sizes.silent + 2 * sizes.trickling + sizes.unread + 100
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard >= needed, f"{needed} open files are needed, {hard} allowed"
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _smuggled(target: str) -> tuple[str, ...]:
    """The refs of smugglers' hooks that were kept."""
    with closing(Store(target)) as store, store.snapshot() as connection:
        refs = connection.scalars(select(DELIVERY.c.ref).where(DELIVERY.c.ref.startswith(REF)))
        return tuple(ref for ref in refs if not ref.startswith(f"{REF}-{HONEST}"))


def main() -> int:
    parser = parser_of("tests.e2e.strangers", __doc__)
    for each in fields(Sizes):
        kind = type(each.default)
        parser.add_argument(f"--{each.name}", type=kind, default=each.default, help="(default %(default)s)")
    options = parser.parse_args()
    sizes = Sizes(**{each.name: getattr(options, each.name) for each in fields(Sizes)})
    with tempfile.TemporaryDirectory(prefix="strangers-") as folder:
        outcome = run(Path(folder), sizes)
    said = asdict(outcome) | {"faults": outcome.faults}
    return tell(said, good=not outcome.faults, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
