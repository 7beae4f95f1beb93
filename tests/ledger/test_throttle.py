"""When background work may run beside hooks, and how much of it goes into one transaction."""

import asyncio
from dataclasses import dataclass

import pytest

from receiver.ledger import throttle
from receiver.ledger.throttle import MANY_WRITERS, ONE_WRITER, SHARE, BatchSize, Throttle, TransactionLimits

pytestmark = pytest.mark.anyio

FULL_S = 0.05
"""The largest credit."""


@dataclass
class Machine:
    """Time that a test lets pass. `busy`: the processor time that was used."""

    now: float = 100.0
    busy: float = 0.0

    def passes(self, seconds: float, busy: float = 0.0) -> None:
        self.now += seconds
        self.busy += busy


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(throttle, "_now", lambda: machine.now)
    return machine


@pytest.fixture
def slowed(machine: Machine) -> Throttle:
    """One that has looked at the machine and has no credit left."""
    slowed = Throttle(lambda: machine.busy)
    assert allows(slowed)
    slowed.note_work(FULL_S)
    assert not allows(slowed)
    return slowed


def allows(throttle: Throttle) -> bool:
    """Whether it allows work while hooks come in."""
    throttle.note_commit(0.0)
    return throttle.allows()


async def test_work_is_paid_with_idle_time_four_times_over(slowed: Throttle, machine: Machine) -> None:
    slowed.note_work(0.036)
    machine.passes(0.04)
    # The work itself was not idle, and a tenth of all time never is.
    assert not allows(slowed)
    machine.passes(0.015)
    assert allows(slowed)


async def test_while_the_processor_is_busy_only_a_share_of_the_commits_is_left(
    slowed: Throttle, machine: Machine
) -> None:
    for _ in range(19):
        slowed.note_commit(0.01)
        machine.passes(0.01, busy=0.01)
    slowed.note_work(0.01)
    assert not allows(slowed), "19 times 0.01 s of commits pay for less than 0.01 s of work"
    slowed.note_commit(0.002 / SHARE)
    assert allows(slowed)


async def test_while_commits_wait_for_the_disk_there_is_no_idle_time(
    slowed: Throttle, machine: Machine
) -> None:
    slowed.note_work(1.0)
    for _ in range(100):
        slowed.note_commit(0.0095)
        machine.passes(0.01, busy=0.001)
        assert not allows(slowed)


async def test_idle_hours_are_not_worked_off_in_one_go(slowed: Throttle, machine: Machine) -> None:
    machine.passes(3_600.0)
    assert allows(slowed)
    slowed.note_work(FULL_S + 0.001)
    assert not allows(slowed)


async def test_as_soon_as_no_hooks_come_in_work_is_allowed_whatever_it_has_spent(
    slowed: Throttle, machine: Machine
) -> None:
    slowed.note_work(3_600.0)
    assert not slowed.allows()
    machine.passes(0.04, busy=0.04)
    assert not slowed.allows()
    machine.passes(0.02, busy=0.02)
    assert slowed.allows()


async def test_hooks_are_expected_for_a_moment_after_each_commit(slowed: Throttle, machine: Machine) -> None:
    machine.passes(1.0)
    assert not slowed.is_busy
    slowed.note_commit(0.001)
    assert slowed.is_busy
    machine.passes(0.04)
    assert slowed.is_busy
    machine.passes(0.02)
    assert not slowed.is_busy


async def test_folding_is_paid_with_idle_time_and_a_small_share_of_commits() -> None:
    """The same on a machine's own clock."""
    idle = Throttle(busy=lambda: 0.0)
    assert allows(idle)
    idle.note_work(1.0)
    assert not allows(idle)
    await asyncio.sleep(0.3)  # nothing was busy meanwhile: four times as much may be worked
    assert allows(idle)
    processor = 0.0
    busy = Throttle(busy=lambda: processor)
    allows(busy)
    busy.note_work(0.1)
    processor = 60.0
    await asyncio.sleep(0.05)
    assert not allows(busy)
    busy.note_commit(0.1 / SHARE)
    assert allows(busy)


@pytest.mark.parametrize("pace", [ONE_WRITER, MANY_WRITERS])
async def test_so_many_pieces_of_work_run_at_a_time(machine: Machine, pace: TransactionLimits) -> None:
    throttle, at_work, most = Throttle(lambda: 0.0, pace), 0, 0

    async def work() -> None:
        nonlocal at_work, most
        async with throttle.turn(asyncio.Event()):
            at_work += 1
            most = max(most, at_work)
            await asyncio.sleep(0)
            at_work -= 1

    await asyncio.gather(*(work() for _ in range(5)))
    assert most == pace.at_once


@pytest.mark.parametrize("pace", [ONE_WRITER, MANY_WRITERS])
def test_transactions_are_shorter_while_hooks_come_in(machine: Machine, pace: TransactionLimits) -> None:
    throttle = Throttle(lambda: 0.0, pace)
    assert throttle.length_s == pace.idle_s
    throttle.note_commit(0.001)
    assert throttle.length_s == pace.busy_s < pace.idle_s


async def test_work_waits_for_credit_and_spends_it(slowed: Throttle, machine: Machine) -> None:
    began = asyncio.Event()

    async def work() -> None:
        async with slowed.turn(asyncio.Event()):
            began.set()
            machine.passes(FULL_S + 0.01)

    working = asyncio.create_task(work())
    await asyncio.sleep(0.02)
    assert not began.is_set()
    machine.passes(0.03)  # hooks still come in, and nothing was busy
    await asyncio.wait_for(working, 5)
    assert began.is_set()
    assert not allows(slowed)


async def test_after_the_stop_work_waits_for_nothing(slowed: Throttle) -> None:
    stop = asyncio.Event()
    stop.set()
    async with slowed.turn(stop):
        pass


async def test_work_that_waits_when_the_stop_comes_goes_on_at_once(slowed: Throttle) -> None:
    stop, done = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        async with slowed.turn(stop):
            done.set()

    working = asyncio.create_task(work())
    await asyncio.sleep(0.01)
    assert not done.is_set()
    stop.set()
    await asyncio.wait_for(working, 1)


async def test_work_that_fails_has_spent_its_time_and_leaves_the_turn_to_others(
    slowed: Throttle, machine: Machine
) -> None:
    async def fail() -> None:
        async with slowed.turn(asyncio.Event()):
            machine.passes(FULL_S + 0.01)
            raise RuntimeError("a fault of ours")

    machine.passes(1.0)
    with pytest.raises(RuntimeError):
        await fail()
    assert not allows(slowed)
    machine.passes(1.0)
    async with asyncio.timeout(1), slowed.turn(asyncio.Event()):
        pass


def test_a_size_begins_with_the_least() -> None:
    assert BatchSize(4, 256).within(1.0) == 4


def test_a_size_follows_how_long_items_take_within_its_bounds() -> None:
    size = BatchSize(4, 256)
    for _ in range(40):
        size.note(10, 0.01)  # 1 ms an item
    assert size.within(0.004) == pytest.approx(4, abs=1)
    assert size.within(0.05) == pytest.approx(50, abs=2)
    assert size.within(10.0) == 256
    assert size.within(0.0) == 4
    for _ in range(40):
        size.note(10, 0.1)  # ten times as slow
    assert size.within(0.05) == pytest.approx(5, abs=1)


def test_one_odd_transaction_does_not_turn_a_size_over() -> None:
    size = BatchSize(1, 1000)
    for _ in range(40):
        size.note(100, 0.01)
    size.note(1, 0.01)  # a hundred times as slow
    assert 1 < size.within(0.05) < 500


def test_a_transaction_without_items_says_nothing() -> None:
    size = BatchSize(4, 256)
    size.note(0, 5.0)
    assert size.within(1.0) == 4


async def test_a_commit_that_outlasts_many_looks_earns_nothing(slowed: Throttle, machine: Machine) -> None:
    for _ in range(20):
        for _ in range(5):
            machine.passes(0.001)
            slowed.allows()
        slowed.note_commit(0.005)
    slowed.note_work(SHARE * 20 * 0.005 + 0.02)
    # All of the time went into commits but for the very first one, which was not known of beforehand.
    assert not allows(slowed)
