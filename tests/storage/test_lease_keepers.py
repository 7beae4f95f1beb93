"""Keepers of several receivers on one database, each of the two, in real time."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from receiver.maintenance.schema import create_tables
from receiver.runtime.clock import WallClock
from receiver.storage.engine import Store
from tests.storage.lease_env import Yard, open_yard, until

pytestmark = pytest.mark.anyio

LIFE = 1.2


@pytest.fixture
async def yard() -> AsyncIterator[Yard]:
    async with open_yard(WallClock(), LIFE) as yard:
        yield yard


@pytest.fixture
def store(store_target: str) -> Iterator[Callable[[], Store]]:
    """Makes a receiver's store of its own, all on one database."""
    opened: list[Store] = []

    def make() -> Store:
        opened.append(Store(store_target, timeout_s=5.0))
        create_tables(opened[-1])
        return opened[-1]

    yield make
    for each in opened:
        each.close()


async def test_one_receiver_works_at_once_and_goes_on(yard: Yard, store: Callable[[], Store]) -> None:
    only = yard.start("x", store(), "a", "b")
    assert (only.sample("a"), only.sample("b")) == (0, 0)
    began = time.monotonic()
    await yard.watch.until(x="ab")
    assert time.monotonic() - began < LIFE / 2
    assert (only.sample("a"), only.sample("b")) == (1, 1)
    await asyncio.sleep(2 * LIFE)
    assert yard.watch.of("x") == ["a", "b"]
    await only.stop()
    assert (only.sample("a"), only.sample("b"), yard.watch.working) == (0, 0, [])


async def test_two_share_and_one_that_stops_leaves_its_part_at_once(
    yard: Yard, store: Callable[[], Store]
) -> None:
    first = yard.start("x", store(), *"abcd")
    await yard.watch.until(x="abcd")
    yard.start("y", store(), *"abcd")
    await yard.watch.until(x="cd", y="ab")
    await first.stop()
    began = time.monotonic()
    await yard.watch.until(x="", y="abcd")
    assert time.monotonic() - began < 0.8 * LIFE


async def test_what_one_that_died_held_is_taken_over_after_a_life(
    yard: Yard, store: Callable[[], Store]
) -> None:
    first = yard.start("x", store(), "a")
    await yard.watch.until(x="a")
    yard.start("y", store(), "a")
    await first.kill()
    began = time.monotonic()
    await yard.watch.until(y="a")
    assert LIFE / 2 < time.monotonic() - began < 3 * LIFE


async def test_three_share_evenly_whoever_comes_and_goes(yard: Yard, store: Callable[[], Store]) -> None:
    names = ("x", "y", "z")
    kept = {name: yard.start(name, store(), *"abcdef") for name in names}

    async def until_even(*among: str) -> None:
        even = [6 // len(among)] * len(among)
        await until(lambda: [len(yard.watch.of(name)) for name in among] == even)

    await until_even(*names)
    await kept.pop("y").kill()
    await until_even(*kept)
