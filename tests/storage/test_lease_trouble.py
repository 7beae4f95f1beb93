"""A store that hangs, is slow or fails: work ends before its lease does, and begins again. Virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs

from receiver.errors import StoreUnavailableError
from receiver.maintenance.schema import create_tables
from receiver.observability.metrics import Metrics
from receiver.runtime.workers import Supervisor, Worker
from receiver.storage.engine import Result, Store
from receiver.storage.lease_keeper import LeaseConfig, LeaseKeeper
from tests.simulation.loop import SimulatedClock, run
from tests.storage.lease_env import LIFE, Probe, Watch, Yard, at_once, open_yard


class TroubledStore(Store):
    """Does something before and after each transaction."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        create_tables(self)
        self.before: Callable[[], Awaitable[None]] = at_once
        self.after: Callable[[], Awaitable[None]] = at_once

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        await self.before()
        result = await super().write(work)
        await self.after()
        return result


async def hang() -> None:
    await asyncio.sleep(1e9)


async def fail() -> None:
    raise StoreUnavailableError("it is not to be")


@dataclass
class Scene:
    """Receiver `x`, whose store may be in trouble, and another store on the same file."""

    yard: Yard
    clock: SimulatedClock
    troubled: TroubledStore
    sound: Store

    @property
    def working(self) -> list[tuple[str, str]]:
        return self.yard.watch.working

    async def lasts(self, receiver: str, lease: str = "a") -> float:
        """Seconds from now until the receiver does not work under the lease any more."""
        began = self.clock.now()
        async with asyncio.timeout(10 * LIFE):
            while (lease, receiver) in self.working:
                await self.clock.sleep(0.05)
        return self.clock.now() - began


def play(script: Callable[[Scene], Awaitable[None]], folder: Path) -> None:
    async def act() -> None:
        clock = SimulatedClock()
        with closing(TroubledStore(folder / "leases.db")) as troubled, closing(Store(troubled.path)) as sound:
            async with open_yard(clock) as yard:
                await script(Scene(yard, clock, troubled, sound))

    run(act())


@pytest.mark.parametrize(("place", "trouble"), [("before", hang), ("before", fail), ("after", hang)])
def test_work_ends_before_its_lease_and_another_takes_over(
    place: str, trouble: Callable[[], Awaitable[None]], tmp_path: Path
) -> None:
    """Whether the renewal never came to the store, or came and its answer was lost."""

    async def script(scene: Scene) -> None:
        scene.yard.start("x", scene.troubled, "a")
        await scene.yard.watch.until(x="a")
        scene.yard.start("y", scene.sound, "a")
        setattr(scene.troubled, place, trouble)
        assert 0.4 * LIFE < await scene.lasts("x") < 0.8 * LIFE
        await scene.clock.sleep(1.5 * LIFE)
        assert scene.working == [("a", "y")]

    play(script, tmp_path)


def test_a_lease_counts_from_when_it_was_asked_for(tmp_path: Path) -> None:
    """The store may have given it long before it said so."""

    async def script(scene: Scene) -> None:
        async def late() -> None:
            await scene.clock.sleep(LIFE / 2)
            scene.troubled.before = hang

        scene.troubled.after = late
        scene.yard.start("x", scene.troubled, "a")
        await scene.yard.watch.until(x="a")
        assert await scene.lasts("x") < LIFE / 2

    play(script, tmp_path)


def test_a_renewal_counts_from_when_it_was_asked_for(tmp_path: Path) -> None:
    async def script(scene: Scene) -> None:
        async def late() -> None:
            await scene.clock.sleep(0.3 * LIFE)
            scene.troubled.before = hang

        scene.yard.start("x", scene.troubled, "a")
        await scene.yard.watch.until(x="a")
        scene.troubled.after = late
        assert LIFE < await scene.lasts("x") < (1 / 3 + 0.95) * LIFE

    play(script, tmp_path)


def test_a_worker_that_does_not_stop_when_told_is_cancelled_before_the_lease_ends(tmp_path: Path) -> None:
    async def script(scene: Scene) -> None:
        scene.yard.start("x", scene.troubled, "a", drain=hang)
        await scene.yard.watch.until(x="a")
        scene.yard.start("y", scene.sound, "a")
        scene.troubled.before = hang
        assert 0.8 * LIFE < await scene.lasts("x") < LIFE
        await scene.yard.watch.until(y="a")

    play(script, tmp_path)


def test_a_trouble_shorter_than_half_a_life_interrupts_nothing(tmp_path: Path) -> None:
    async def script(scene: Scene) -> None:
        scene.yard.start("x", scene.troubled, "a")
        await scene.yard.watch.until(x="a")
        scene.troubled.before = fail
        await scene.clock.sleep(LIFE / 2)
        scene.troubled.before = at_once
        await scene.clock.sleep(3 * LIFE)
        assert scene.yard.watch.begun == [("a", "x")]

    play(script, tmp_path)


def test_after_a_long_trouble_work_begins_again(tmp_path: Path) -> None:
    async def script(scene: Scene) -> None:
        kept = scene.yard.start("x", scene.troubled, "a")
        await scene.yard.watch.until(x="a")
        scene.troubled.before = fail
        await scene.clock.sleep(3 * LIFE)
        assert (scene.working, kept.sample("a")) == ([], 0)
        scene.troubled.before = at_once
        await scene.clock.sleep(LIFE / 5)
        assert (scene.working, kept.sample("a")) == ([("a", "x")], 1)
        await kept.stop()

    with capture_logs() as logs:
        play(script, tmp_path)
    assert [line["event"] for line in logs] == [
        "lease taken",
        "leases not renewed, will be tried again",
        "lease lost",
        "lease taken",
        "lease released",
    ]


def test_an_answer_that_comes_after_the_lease_ended_begins_nothing(tmp_path: Path) -> None:
    async def script(scene: Scene) -> None:
        async def late() -> None:
            await scene.clock.sleep(1.2 * LIFE)

        scene.troubled.after = late
        scene.yard.start("x", scene.troubled, "a")
        await scene.clock.sleep(0.1)
        scene.yard.start("y", scene.sound, "a")
        await scene.clock.sleep(5 * LIFE)
        assert {who for _, who in scene.yard.watch.begun} <= {"y"}

    with capture_logs() as logs:
        play(script, tmp_path)
    assert not [line for line in logs if line.get("receiver") == "x"]


def test_what_ends_while_a_turn_is_under_way_is_not_begun_again(tmp_path: Path) -> None:
    async def script(scene: Scene) -> None:
        async def slow() -> None:
            await scene.clock.sleep(0.1 * LIFE)

        async def drain() -> None:
            await scene.clock.sleep(0.38 * LIFE)

        scene.yard.start("x", scene.troubled, "a", "b", drain=drain)
        await scene.yard.watch.until(x="ab")
        scene.troubled.after = slow
        scene.yard.start("y", scene.sound, "a", "b")
        await scene.clock.sleep(3 * LIFE)
        assert scene.yard.watch.begun == [("a", "x"), ("b", "x"), ("a", "y")]

    play(script, tmp_path)


def test_a_lease_is_kept_while_its_work_drains_however_long_that_takes(tmp_path: Path) -> None:
    async def script(scene: Scene) -> None:
        async def drain() -> None:
            await scene.clock.sleep(3 * LIFE)

        first = scene.yard.start("x", scene.troubled, "a", drain=drain)
        await scene.yard.watch.until(x="a")
        scene.yard.start("y", scene.sound, "a")
        began = scene.clock.now()
        await first.stop()
        assert 3 * LIFE < scene.clock.now() - began < 3.5 * LIFE
        assert scene.yard.watch.begun == [("a", "x")]
        await scene.clock.sleep(LIFE / 2)
        assert scene.working == [("a", "y")]

    play(script, tmp_path)


def test_who_is_alone_takes_over_from_a_dead_one_at_once(tmp_path: Path) -> None:
    async def script(scene: Scene) -> None:
        first = scene.yard.start("x", scene.troubled, "a")
        await scene.yard.watch.until(x="a")
        await first.kill()
        scene.yard.start("y", scene.sound, "a", is_alone=True)
        await scene.clock.sleep(LIFE / 5)
        assert scene.working == [("a", "y")]

    play(script, tmp_path)


def test_what_another_has_taken_all_the_same_is_left_to_it_at_the_next_turn(tmp_path: Path) -> None:
    """As where a second `serve` was started on one SQLite file."""

    async def script(scene: Scene) -> None:
        scene.yard.start("x", scene.troubled, "a", drain=hang)
        await scene.yard.watch.until(x="a")
        scene.yard.start("y", scene.sound, "a", is_alone=True)
        await scene.clock.sleep(LIFE / 2)
        assert scene.working == [("a", "y")]
        assert scene.yard.watch.violations == ["y began a beside x"]
        scene.yard.watch.violations.clear()

    play(script, tmp_path)


def test_a_stop_ends_while_the_store_hangs(tmp_path: Path) -> None:
    async def script(scene: Scene) -> None:
        work: dict[str, list[Worker]] = {"a": [Probe("a", "x", watch := Watch(), at_once)]}
        keeper = LeaseKeeper(work, LeaseConfig("x", LIFE, False), scene.troubled, scene.clock, Metrics())
        async with Supervisor([keeper], scene.clock, Metrics(), deadline=5.0):
            await watch.until(x="a")
            scene.troubled.before = hang
            await scene.clock.sleep(LIFE / 2)
            assert watch.of("x") == ["a"]
            began = scene.clock.now()
        assert watch.working == []
        assert scene.clock.now() - began < 6.0

    play(script, tmp_path)
