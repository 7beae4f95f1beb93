"""Reads that compute much have processes of their own: what answers hooks never waits for them."""

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection

from receiver import errors
from receiver.errors import (
    InputError,
    ReceiverError,
    StoreUnavailableError,
    TimeLimitError,
    TooManyReadsError,
)
from receiver.maintenance.schema import create_tables
from receiver.storage.engine import Store
from receiver.storage.read_pools import COMPUTING, PoolLimits

pytestmark = pytest.mark.anyio


def which(connection: Connection, add: int = 0) -> tuple[int, int, int]:
    """The process, how far it gives way, and a sum from the store."""
    return os.getpid(), os.nice(0), connection.exec_driver_sql("SELECT 1").scalar_one() + add


def spin(_: Connection, seconds: float) -> int:
    """Python that never lets go of its interpreter."""
    until, turns = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        turns += 1
    return turns


def hold(connection: Connection, end: str) -> None:
    """Until there is a file of this name. A database would end a connection that says nothing."""
    while not Path(end).exists():
        connection.exec_driver_sql("SELECT 1").scalar_one()
        time.sleep(0.02)


def refuse(_: Connection) -> None:
    raise InputError("by", "give another")


def die(_: Connection) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def test_it_is_another_process_that_lets_all_others_go_first(store: Store) -> None:
    process, niceness, total = await store.compute(which, add=2)
    assert process != os.getpid()
    assert niceness > os.nice(0)
    assert total == 3
    assert (await store.compute(which))[0] == process  # it lives on


async def test_its_errors_come_back(store: Store) -> None:
    with pytest.raises(InputError) as caught:
        await store.compute(refuse)
    assert (caught.value.field, str(caught.value)) == ("by", "by: give another")


def all_errors(root: type[ReceiverError] = ReceiverError) -> Iterator[type[ReceiverError]]:
    yield root
    for each in root.__subclasses__():
        yield from all_errors(each)


ARGUMENTS: dict[type[ReceiverError], tuple[object, ...]] = {
    errors.InputError: ("field", "problem"),
    errors.SchedulerRefusedError: ("text", 400),
    errors.QuotaExhaustedError: ("text", 7.0),
    errors.AmbiguousCreateError: ("text", ("a", "b")),
}


@pytest.mark.parametrize("kind", [each for each in all_errors() if each.__module__ == "receiver.errors"])
def test_every_error_can_travel(kind: type[ReceiverError]) -> None:
    error = kind(*ARGUMENTS.get(kind, ("text",)))
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (kind, str(error), vars(error))
    assert str(error).startswith(("text", "field"))


async def test_the_loop_goes_on_while_it_computes(store: Store) -> None:
    await asyncio.gather(store.compute(spin, 0.0), store.compute(spin, 0.0))
    computing = [asyncio.create_task(store.compute(spin, 1.0)) for _ in range(2)]
    turns = 0
    while not all(each.done() for each in computing):
        await asyncio.sleep(0.001)
        turns += 1
    # Threads that spin would give way once in 5 ms, so that some 100 turns would be left.
    assert turns > 250


async def test_beyond_those_that_may_wait_it_is_refused_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store._processes, "limits", PoolLimits(2, 30.0, 1))
    running = [asyncio.create_task(store.compute(spin, 0.5)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyReadsError):
        await store.compute(which)
    await asyncio.gather(*running)
    assert (await store.compute(which))[2] == 1


async def test_there_are_no_more_processes_than_may_be(store: Store) -> None:
    done = await asyncio.gather(*(store.compute(which) for _ in range(6)))
    assert len({process for process, *_ in done}) <= COMPUTING.workers


async def test_reads_and_writes_go_on_while_all_processes_compute(store: Store, tmp_path: Path) -> None:
    end = tmp_path / "end"
    computing = [asyncio.create_task(store.compute(hold, str(end))) for _ in range(COMPUTING.workers)]
    try:
        others = [store.read(which), store.read(which, "heavy"), store.write(which)]
        assert {process for process, *_ in await asyncio.gather(*others)} == {os.getpid()}
        assert not any(each.done() for each in computing)
    finally:
        end.touch()
    await asyncio.gather(*computing)


async def test_nobody_waits_for_longer_than_a_read_may_take(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("receiver.storage.read_pools._GRACE_S", 60.0)
    monkeypatch.setattr(store._processes, "limits", PoolLimits(1, 0.5, 16))
    end = tmp_path / "end"
    before = [asyncio.create_task(store.compute(hold, str(end))) for _ in range(COMPUTING.workers)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyReadsError, match="took"):
        await store.compute(which)
    end.touch()
    await asyncio.gather(*before)
    assert (await store.compute(which))[2] == 1


async def test_what_computes_for_too_long_is_ended(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("receiver.storage.read_pools._GRACE_S", 0.1)
    first = (await store.compute(which))[0]
    monkeypatch.setattr(store._processes, "limits", PoolLimits(2, 0.2, 1))
    with pytest.raises(TimeLimitError, match="longer than"):
        await store.compute(spin, 60.0)
    monkeypatch.undo()
    assert (await store.compute(which))[0] != first


async def test_a_process_that_was_killed_fails_one_read(store: Store) -> None:
    with pytest.raises(StoreUnavailableError, match="memory"):
        await store.compute(die)
    assert (await store.compute(which))[2] == 1


PARENT = """
import asyncio, sys
from receiver.storage.engine import Store
from tests.storage.test_processes import which
async def main():
    store = Store(sys.argv[1])
    print((await store.compute(which))[0], flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_it_does_not_outlive_a_receiver_that_was_killed(tmp_path: Path) -> None:
    with closing(Store(str(tmp_path / "a.db"))) as store:
        create_tables(store)
    command = [sys.executable, "-c", PARENT, str(tmp_path / "a.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        process = int(parent.stdout.readline())
        parent.kill()
    until = time.monotonic() + 20
    while Path(f"/proc/{process}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{process}").exists()
