"""A whole world, emulator and receiver in one process: what happens in it follows from its seed alone."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, get_args
from unittest.mock import patch

import httpx2
from sqlalchemy import Table, func, select

from receiver.demo.compare import TruthComparison, compare, evidence_by_task, find_all
from receiver.emulator.config import AccountConfig, DialectName, EmulatorConfig, ListShape
from receiver.emulator.dialects import PLAIN
from receiver.emulator.emulator import Emulator, create_emulator
from receiver.emulator.faults import PROFILES, Faults
from receiver.emulator.quirks import Quirks
from receiver.inbox.tables import INBOX
from receiver.ledger.projections import Difference
from receiver.ledger.tables import DELIVERY, FACT
from receiver.maintenance.schema import create_tables
from receiver.observability.metrics import Metrics
from receiver.outcomes import sender
from receiver.outcomes.tables import MESSAGE, OPEN, OUTCOME
from receiver.storage.engine import Store
from receiver.tasks.tables import TASK
from tests.intake.wired import peeking_rarely
from tests.ledger.projecting import verify
from tests.simulation.crm import Crm, Told, subscribe
from tests.simulation.fate import Fate
from tests.simulation.loop import SimulatedClock, run
from tests.simulation.network import Wire
from tests.simulation.receiver_env import NUMBERS, ReceiverEnv, SimulationEnv, client_of
from tests.simulation.tasks import Integrator, plan

TWISTS: tuple[dict[str, float], ...] = (
    {},
    {},
    {"drop": 1.0},
    {"hide_finished": 1.0},
    {"error_before": 0.2, "error_after": 0.2},
    {"slow": 0.5, "delay": 0.5, "reorder": 0.3, "double": 0.5},
)
"""What some worlds have on top of their faults: no hook at all, lists that never show what is finished …"""

LISTED_S = 900
"""By then every task was in a list. Where lists never show what is finished, a task must be listed before it
ends: else nobody can know which task a hook without any fields is about, or that a silent one exists.
"""

NAMES = {number: name for name, number in NUMBERS.items()}

LOOK_S = 30.0
TOKEN_TTL_S = 900.0
LIST_CAP, PAGE_CAP = 5, 3
"""Less than a queue has tasks, in accounts whose lists are capped or have small pages."""
PATIENCE_S = 48 * 3600.0
"""By then every task has ended and is settled, and the CRM knows of it, whatever went wrong."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What one world is like. `crashes`: how often the receiver is torn down while the tasks run."""

    seed: int
    tasks: int = 40
    faults: Faults = PROFILES["heavy"]
    dialect: DialectName = "mixed"
    quirks: Quirks = frozenset()
    crashes: int = 0
    later_revision: bool = False
    list_shape: ListShape = "array"
    quota: int = 10_000
    starts_after: int = 60

    @classmethod
    def drawn(cls, seed: int, faults: Faults) -> "Scenario":
        """A scenario of which the seed decides all but the faults."""
        rng = Random(f"scenario:{seed}")
        drawn = replace(faults, **rng.choice(TWISTS))
        return cls(
            seed,
            faults=drawn,
            dialect="mixed" if rng.random() < 0.5 else rng.choice(list(PLAIN)),
            crashes=rng.choice((0, 2, 4, 8)),
            later_revision=rng.random() < 0.3,
            list_shape=rng.choice(get_args(ListShape)),
            quota=rng.choices((10_000, 300), (9, 1))[0],
            starts_after=LISTED_S if drawn.hide_finished == 1.0 else 60,
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """A world at its end: what happened, what the receiver says, and what it kept."""

    truth: dict[str, Any]
    rows: dict[tuple[str, str], Row]
    facts: list[Row]
    kept: set[str]
    differences: list[Difference]
    told: Told

    @property
    def problems(self) -> list[str]:
        """All that must not be, in words; nothing in a world as it should be."""
        comparison, nameless = self.comparison, _nameless(self.truth, self.rows)
        unsettled = [key for key, row in self.rows.items() if not row["settled"] and key not in nameless]
        return [
            *(f"never settled: {key}" for key in unsettled),
            *(f"disagrees with the truth: {each}" for each in comparison.disagreements),
            *(f"acknowledged and not kept: {copy}" for copy in sorted(self.acknowledged - self.kept)),
            *(f"not what the ledger gives: {each}" for each in self.differences),
            *self.told.problems(list(self.rows.values())),
        ]

    @property
    def ledger(self) -> bytes:
        """All facts with their times and in their order, to the byte."""
        return "\n".join(repr(sorted(fact.items())) for fact in self.facts).encode()

    @property
    def comparison(self) -> TruthComparison:
        return compare(self.truth, self.rows, NAMES)

    @property
    def acknowledged(self) -> set[str]:
        """The ids of the copies of hooks that the receiver said it has."""
        return {
            f"{hook['id']}.{number}"
            for hook in self.truth["hooks"]
            for number, copy in enumerate(hook["copies"], start=1)
            if copy["status"] == 200
        }


def simulate(scenario: Scenario, file: Path) -> Ended:
    """Run the world to its end. `file`: where its receiver keeps its store; must not exist."""
    # It would look ten times a second, through hours in which nothing happens.
    with patch.multiple(sender, _POLL_S=15.0, _REFRESH_S=60.0), peeking_rarely():
        return run(_World(scenario, file).live(), scenario.seed)


@dataclass
class _World:
    scenario: Scenario
    file: Path
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    receiver: ReceiverEnv | None = None
    killed: ReceiverEnv | None = None
    crm: Crm = field(init=False)

    async def live(self) -> Ended:
        emulator, stop = self._emulator(), asyncio.Event()
        scheduler = httpx2.ASGITransport(emulator.app)
        wire = Wire(lambda: scheduler, self.clock, self._rng("to the scheduler"))
        fate = Fate(self._rng("fate"))
        self.crm = Crm(self.clock, self._rng("crm"))
        env = SimulationEnv(self.file, self.clock, self._rng("receiver"), wire, fate, self.crm)
        _prepare(self.file)
        self.receiver = ReceiverEnv.open(env)
        executing = asyncio.create_task(emulator.run(stop))
        crashing = asyncio.create_task(self._crash(env))
        try:
            await self._create(wire)
            await crashing
            await self._until_settled(emulator)
        finally:
            crashing.cancel()
            with suppress(asyncio.CancelledError):
                await crashing
            if self.receiver:
                self.receiver.kill()
                await self.receiver.close()
            stop.set()
            await executing
        return self._end(emulator)

    def _rng(self, purpose: str) -> Random:
        return Random(f"{purpose}:{self.scenario.seed}")

    def _emulator(self) -> Emulator:
        accounts = tuple(
            AccountConfig(number, f"app-{name}", f"secret-{name}") for name, number in NUMBERS.items()
        )
        config = EmulatorConfig(
            accounts=accounts,
            seed=self.scenario.seed,
            dialect=self.scenario.dialect,
            quirks=self.scenario.quirks,
            faults=self.scenario.faults,
            later_revision=self.scenario.later_revision,
            list_shape=self.scenario.list_shape,
            quota=self.scenario.quota,
            token_ttl=TOKEN_TTL_S,
            list_cap=LIST_CAP,
            page_cap=PAGE_CAP,
        )
        wire = Wire(
            lambda: self.receiver.hooks if self.receiver else None, self.clock, self._rng("to the receiver")
        )
        return create_emulator(config, clock=self.clock, hook_transport=wire)

    async def _create(self, wire: Wire) -> None:
        planned = plan(self.scenario.seed, self.scenario.tasks, self.scenario.starts_after)
        async with asyncio.TaskGroup() as group:
            for number, name in enumerate(NUMBERS):
                rng = self._rng(f"{name} creates")
                client = client_of(name, self.clock, rng, Metrics(), wire)
                integrator = Integrator(name, client, lambda: self.receiver, rng)
                group.create_task(integrator.work(planned[number :: len(NUMBERS)]))

    async def _crash(self, env: SimulationEnv) -> None:
        """Tear the receiver down and open it again, so often as the scenario says."""
        rng = self._rng("crashes")
        for _ in range(self.scenario.crashes):
            await env.fate.spin(self._kill)
            assert self.killed is not None
            await self.killed.close()
            await self.clock.sleep(rng.choice((0.0, 20.0, 120.0)) * rng.random())
            self.receiver = ReceiverEnv.open(env)

    def _kill(self) -> None:
        assert self.receiver is not None
        self.receiver.kill()
        self.receiver, self.killed = None, self.receiver

    async def _until_settled(self, emulator: Emulator) -> None:
        end = self.clock.now() + PATIENCE_S
        while self.clock.now() < end:
            settled = select(func.count()).where(TASK.c.settled)
            unread = select(func.count()).select_from(INBOX)
            undelivered = select(func.count()).where(MESSAGE.c.state.in_(OPEN))
            assert self.receiver is not None
            with self.receiver.store.snapshot() as connection:
                done = connection.execute(settled).scalar_one()
                to_do = sum(connection.execute(each).scalar_one() for each in (unread, undelivered))
            is_idle = emulator.status()["idle"] and not to_do
            if is_idle and done >= _to_settle(emulator.truth()) and self._is_settled(emulator):
                return
            await self.clock.sleep(LOOK_S)

    def _is_settled(self, emulator: Emulator) -> bool:
        assert self.receiver is not None
        rows = _by_name(_rows(self.receiver.store, TASK))
        nameless = _nameless(emulator.truth(), rows)
        return all(row["settled"] or name in nameless for name, row in rows.items())

    def _end(self, emulator: Emulator) -> Ended:
        store = Store(self.file)
        try:
            tasks = _rows(store, TASK)
            headers = [dict(row["headers"]) for row in _rows(store, DELIVERY)]
            return Ended(
                truth=emulator.truth(),
                rows=_by_name(tasks),
                facts=_rows(store, FACT),
                kept={copy for header in headers for copy in header["x-emulator-hook"].split(",")},
                differences=verify(store).differences,
                told=Told(_rows(store, OUTCOME), _rows(store, MESSAGE), self.crm.arrived),
            )
        finally:
            store.close()


def _prepare(file: Path) -> None:
    """A store in which the CRM has subscribed."""
    store = Store(file)
    create_tables(store)
    with store.transaction() as connection:
        subscribe(connection)
    store.close()


def _to_settle(truth: dict[str, Any]) -> int:
    """How many tasks can be settled: what became of a task can be asked only by its id."""
    return sum(not shown.nameless for shown in evidence_by_task(truth).values())


def _nameless(truth: dict[str, Any], rows: Mapping[tuple[str, str], Row]) -> set[tuple[str, str]]:
    """The keys of the tasks whose ids nobody was told."""
    evidence = evidence_by_task(truth)
    return {
        name
        for task in truth["tasks"]
        if evidence[task["account"], task["task_id"]].nameless
        for name in find_all(task, (NAMES[task["account"]], str(task["task_id"])), rows)
    }


def _by_name(tasks: Iterable[Row]) -> dict[tuple[str, str], Row]:
    return {(row["account"], row["task_id"] or row["key"]): row for row in tasks}


def _rows(store: Store, table: Table) -> list[Row]:
    """All rows of a table, in order of its primary key."""
    with store.snapshot() as connection:
        return [dict(row._mapping) for row in connection.execute(select(table).order_by(*table.primary_key))]
