"""`python -m tests.e2e.shared`: two receivers on one PostgreSQL get hooks of the same tasks; one is killed.

The hooks come out of the emulator, with all its faults, and go to either receiver at random, some to both at
once; both reconcile. In the middle of it one is killed with -9, and what it had not acknowledged goes to the
other. In the end every acknowledged event is in the ledger once, what the dead one had not read or folded is
read and folded, every timeline is what the emulator says, and a rebuild finds no difference.
"""

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random

from sqlalchemy import select

from receiver.demo.compare import compare
from receiver.demo.plan import PlannedTask, plan_tasks
from receiver.ledger.tables import DELIVERY, FACT
from receiver.storage.engine import Store
from tests.e2e.processes import CommandError, Served, Town, free_port
from tests.e2e.report import parser_of, tell
from tests.e2e.sender import Sender
from tests.e2e.tasks import PATIENCE_S, add_tasks, known_tasks, wait_for_the_end
from tests.e2e.unfinished import unfinished
from tests.postgres import fresh_database, running_server

_STORM_S = 1.0
"""Before and after the kill, so that it hits many requests at once."""

_DEAD_S = 3.0
"""After so long the one that was killed is started again, in every second round."""

_PAUSES_S = (240, 300)
"""Emulated seconds between attempts: a machine that stops for half of that in the emulator's time makes two
empty hooks look like one that was doubled, and nobody could tell.
"""

_START_S, _SPREAD_S = 120, 240
"""Emulated seconds from a task's creation to its first attempt, at least, and how much more it may be."""


@dataclass(frozen=True)
class Sizes:
    """`speed`: emulated seconds in a second. `doubled`: the share of hooks sent to both at once."""

    tasks: int = 300
    speed: float = 30.0
    doubled: float = 0.2


@dataclass(frozen=True)
class Ledger:
    """What the ledger holds of what was acknowledged. `unsaid`: kept, and yet not acknowledged. `unfinished`:
    hooks that are not read, and tasks that are not folded.
    """

    missing: int
    not_once: int
    without_one_fact: int
    unsaid: int
    unfinished: int
    differences: str

    @property
    def is_good(self) -> bool:
        return not (
            self.missing or self.not_once or self.without_one_fact or self.unfinished or self.differences
        )


@dataclass(frozen=True)
class Outcome:
    """One round. `acknowledged`: 2xx answers, by receiver; `sender`: what became of the hooks."""

    acknowledged: dict[str, int]
    sender: dict[str, int]
    slowest_s: float
    ledger: Ledger
    agree: int
    not_known: int
    disagree: int
    disagreements: list[str]

    @property
    def is_good(self) -> bool:
        return self.ledger.is_good and not self.disagree and not self.sender.get("given up")


@dataclass
class Pair:
    """Two receivers on one database, and the way on which hooks reach them."""

    town: Town
    receivers: tuple[Served, Served]
    sender: Sender

    @classmethod
    def at(cls, folder: Path, store: str, sizes: Sizes, seed: int) -> "Pair":
        town = Town(folder, speed=sizes.speed, seed=seed, store=store)
        receivers = town.served, Served(town.config)
        town.public_url = f"http://127.0.0.1:{free_port()}"
        urls = {name: each.url for name, each in zip(("one", "other"), receivers, strict=True)}
        return cls(town, receivers, Sender(urls, Random(f"sender:{seed}"), sizes.doubled))

    async def live(self, planned: list[PlannedTask], comes_back: bool) -> None:
        """From the creation of the tasks until all are settled; one receiver dies on the way."""
        dying = self.receivers[self.sender.rng.randrange(2)]
        async with self.sender.serving(int(self.town.public_url.rpartition(":")[2])):
            await asyncio.to_thread(add_tasks, self.town, planned)
            await asyncio.wait_for(self.sender.has_delivered(len(planned) * 3 // 2), PATIENCE_S)
            storm = asyncio.create_task(self.sender.repeat(2 * _STORM_S))
            await asyncio.sleep(_STORM_S)
            dying.kill()
            await storm
            if comes_back:
                await asyncio.sleep(_DEAD_S)
                await asyncio.to_thread(dying.start)
            await asyncio.to_thread(wait_for_the_end, self.town, len(planned))

    def stop(self) -> None:
        for each in self.receivers:
            each.stop()
        self.town.stop()


def run(pair: Pair, tasks: int, comes_back: bool) -> Outcome:
    """One round. The receivers are stopped in the end."""
    pair.town.start_emulator()
    for each in pair.receivers:
        each.start()
    asyncio.run(pair.live(_planned(tasks, pair.town.seed), comes_back))
    truth = pair.town.ask_emulator("truth")
    pair.stop()
    with closing(Store(pair.town.store)) as store:
        verdict = compare(truth, known_tasks(store), {"10001": "main"})
        ledger = _ledger(pair, store)
    return Outcome(
        acknowledged=dict(Counter(name for _, name in pair.sender.acknowledged)),
        sender=dict(pair.sender.counts),
        slowest_s=round(pair.sender.slowest_s, 2),
        ledger=ledger,
        agree=verdict.agree,
        not_known=verdict.not_known,
        disagree=verdict.disagree,
        disagreements=[str(each) for each in verdict.disagreements[:10]],
    )


def _planned(tasks: int, seed: int) -> list[PlannedTask]:
    """As the demonstration's, with up to three attempts, and nothing deleted."""
    rng = Random(f"shared:{seed}")

    def changed(planned: PlannedTask) -> PlannedTask:
        times = {"try_count": rng.randint(1, 3), "try_again_pause": rng.choice(_PAUSES_S)}
        starts = {"start_time_utc": _START_S + rng.randrange(_SPREAD_S)}
        return replace(planned, task=planned.task.model_copy(update=times | starts), delete=False)

    return [changed(each) for each in plan_tasks(tasks, seed)]


def _ledger(pair: Pair, store: Store) -> Ledger:
    """Each acknowledged request has one delivery, and each delivery, all of which name a task, one fact."""
    with store.snapshot() as connection:
        deliveries = Counter(connection.scalars(select(DELIVERY.c.id)))
        hooks = select(FACT.c.id).where(FACT.c.kind == "hook")
        facts = Counter(each.rpartition("/")[2] for each in connection.scalars(hooks))
        left = unfinished(connection)
    said = Counter(request for request, _ in pair.sender.acknowledged)
    try:
        pair.town.run("rebuild", "--verify")
        differences = ""
    except CommandError as error:
        differences = str(error)
    return Ledger(
        missing=len(said.keys() - deliveries.keys()),
        not_once=sum(count != 1 for count in (*said.values(), *deliveries.values())),
        without_one_fact=sum(facts[each] != 1 for each in deliveries) + len(facts.keys() - deliveries.keys()),
        unsaid=len(deliveries.keys() - said.keys()),
        unfinished=left,
        differences=differences,
    )


@contextmanager
def pair_on(server: str, sizes: Sizes, seed: int) -> Iterator[Pair]:
    """Two receivers on a new database of that server."""
    with tempfile.TemporaryDirectory(prefix="shared-") as folder:
        pair = Pair.at(Path(folder), fresh_database(server), sizes, seed)
        try:
            yield pair
        finally:
            pair.stop()


def main() -> None:
    defaults = Sizes()
    parser = parser_of("tests.e2e.shared", __doc__)
    parser.add_argument("--rounds", type=int, default=1, help="how often, with another seed each (default 1)")
    parser.add_argument("--seed", type=int, default=7, help="of the first round (default %(default)s)")
    parser.add_argument(
        "--tasks", type=int, default=defaults.tasks, help="callback tasks (default %(default)s)"
    )
    parser.add_argument("--speed", type=float, default=defaults.speed, help="of time (default %(default)s)")
    parser.add_argument("--doubled", type=float, default=defaults.doubled, help="share of hooks sent to both")
    options = parser.parse_args()
    sizes = Sizes(options.tasks, options.speed, options.doubled)
    exit_status = 0
    with running_server() as server:
        for seed in range(options.seed, options.seed + options.rounds):
            with pair_on(server, sizes, seed) as pair:
                outcome = run(pair, sizes.tasks, comes_back=seed % 2 == 0)
            said = {"seed": seed, **asdict(sizes), **asdict(outcome), **asdict(outcome.ledger)}
            del said["ledger"]
            exit_status |= tell(said, good=outcome.is_good, as_json=options.json)
    sys.exit(exit_status)


if __name__ == "__main__":
    main()
