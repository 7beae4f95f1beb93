"""A whole world, emulator and receiver in one process: what happens in it follows from its seed alone."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Connection, Table, select
from starlette.types import ASGIApp

from receiver.demo.compare import Comparison, compare
from receiver.emulator import PROFILES, AccountConfig, EmulatorConfig, Faults, create_emulator
from receiver.emulator.config import DialectName, ListShape
from receiver.emulator.emulator import Emulator
from receiver.rebuild import Difference, verify
from receiver.store.engine import Store
from receiver.store.tables import DELIVERY, FACT, TASK
from tests.simulation.house import NUMBERS, House, Outside, client_of
from tests.simulation.loop import SimulatedClock, run
from tests.simulation.network import Wire
from tests.simulation.tasks import Integrator, plan

LOOK_S = 30.0
PATIENCE_S = 12 * 3600.0
"""By then every task has ended and is settled, whatever went wrong."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What one world is like. `crashes`: how often the receiver is torn down while the tasks run."""

    seed: int
    tasks: int = 40
    faults: Faults = PROFILES["heavy"]
    dialect: DialectName = "mixed"
    crashes: int = 0
    later_revision: bool = False
    list_shape: ListShape = "array"
    quota: int = 10_000


@dataclass(frozen=True, slots=True)
class Ended:
    """A world at its end: what happened, what the receiver says, and all that it kept."""

    truth: dict[str, Any]
    rows: dict[tuple[str, str], Row]
    facts: list[Row]
    kept: set[str]
    acknowledged: set[str]
    differences: list[Difference]
    crashes: int

    @property
    def comparison(self) -> Comparison:
        return compare(self.truth, self.rows, {number: name for name, number in NUMBERS.items()})


def simulate(scenario: Scenario, file: Path) -> Ended:
    """Run the world to its end. `file`: where its receiver keeps its store; must not exist."""
    return run(_World(scenario, file).live(), scenario.seed)


@dataclass
class _World:
    scenario: Scenario
    file: Path
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    house: House | None = None
    crashes: int = 0

    def rng(self, purpose: str) -> Random:
        return Random(f"{purpose}:{self.scenario.seed}")

    async def live(self) -> Ended:
        emulator = self._emulator()
        to_scheduler = Wire(lambda: emulator.app, self.clock, self.rng("to scheduler"))
        outside = Outside(self.file, self.clock, self.rng("receiver"), to_scheduler)
        self.house = House.open(outside)
        stop = asyncio.Event()
        executing = asyncio.create_task(emulator.run(stop))
        integrators = [
            Integrator(name, client_of(name, self.clock, self.rng(name), to_scheduler), lambda: self.house, self.rng(f"{name} creates"))
            for name in NUMBERS
        ]
        tasks = plan(self.scenario.seed, self.scenario.tasks)
        async with asyncio.TaskGroup() as group:
            for number, integrator in enumerate(integrators):
                group.create_task(integrator.work(tasks[number :: len(integrators)]))
            group.create_task(self._crash(outside))
        await self._until_settled(emulator)
        await self.house.kill()
        stop.set()
        await executing
        return self._end(emulator)
